"""The video half of a table, from the studio to the edge: nothing here opens a database or waits for money."""
