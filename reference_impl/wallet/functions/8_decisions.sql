-- Games in which players decide after their stakes: what a bet pays depends on the player's other bets of the round.

-- All accepted bets and decisions of a round that were not taken back, settled or not, in commit order.
CREATE OR REPLACE FUNCTION standing(p_round bigint)
RETURNS TABLE (ref uuid, account bigint, win smallint, selection integer, amount bigint) LANGUAGE sql STABLE AS $$
    SELECT b.ref, b.account, b.win, b.selection, b.amount
    FROM (SELECT min(opened_seq) AS first, coalesce(max(closed_seq), 0) AS last FROM betting_window
          WHERE round = p_round) w
    JOIN journal b ON b.seq > w.first AND b.seq < w.last
    WHERE b.round = p_round AND b.kind = 3 AND b.status = 1
      AND NOT EXISTS (SELECT FROM journal e WHERE e.account = b.account AND e.ref = b.ref AND e.slot = 1 AND e.kind = 4)
    ORDER BY b.seq
$$;
