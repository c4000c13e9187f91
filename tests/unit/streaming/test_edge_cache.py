from reference_impl.streaming.cache import ENTRY_BYTES, Body, Cache, Entry


def entry(n_bytes=0, expires_s=10.0):
    return Entry(200, Body(b"", bytes(n_bytes)), None, "", 0, 0.0, expires_s)


def test_object_is_served_until_it_expires():
    cache = Cache(10 * ENTRY_BYTES)
    cache.put("a", entry(expires_s=5.0))
    assert cache.get("a", 4.9) is not None
    assert cache.get("a", 5.0) is None
    assert (len(cache), cache.size_bytes) == (0, 0)


def test_least_recently_used_object_makes_room():
    cache = Cache(3 * ENTRY_BYTES)
    for key in "abc":
        cache.put(key, entry())
    cache.get("a", 0.0)
    cache.put("d", entry())
    assert [key for key in "abcd" if cache.get(key, 0.0)] == ["a", "c", "d"]
    assert cache.evicted == 1


def test_memory_stays_bounded_by_bytes():
    cache = Cache(20 * ENTRY_BYTES)
    for number in range(500):
        cache.put(str(number), entry(n_bytes=number * 7))
        assert cache.size_bytes <= cache.bytes_max


def test_object_beyond_the_bound_is_not_kept_and_evicts_nothing():
    cache = Cache(2 * ENTRY_BYTES)
    cache.put("a", entry())
    cache.put("b", entry(n_bytes=5 * ENTRY_BYTES))
    assert cache.get("a", 0.0) is not None
    assert cache.get("b", 0.0) is None


def test_replaced_object_is_counted_once():
    cache = Cache(10 * ENTRY_BYTES)
    cache.put("a", entry(100))
    cache.put("a", entry(50))
    assert cache.size_bytes == ENTRY_BYTES + 50
