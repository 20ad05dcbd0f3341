-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Is a line missing? For each feed that has lines in this time: what is missing between its first and its last one. What
-- is at the edges is looked up ten minutes further, for lines are in the order of seq and not quite in that of ts.
-- `begun`: hello is there. `ended`: bye is; without it, the end of the feed may be missing, too (or it still runs).
SELECT host, feed, first, last, length(seqs) AS lines, last - first + 1 - lines AS missing,
       arrayMap(gap -> concat(toString(gap.1 + 1), '-', toString(gap.2 - 1)),
                arraySlice(arrayFilter(gap -> gap.2 > gap.1 + 1,
                                       arrayMap((a, b) -> (a, b), arrayPopBack(seqs), arrayPopFront(seqs))), 1, 20)) AS gaps,
       begun, ended
FROM
(
    SELECT host, feed, begun, ended, first, last, arraySort(arrayFilter(n -> n >= first AND n <= last, all)) AS seqs
    FROM
    (
        SELECT host, feed, groupUniqArray(seq) AS all, max(type = 'hello') AS begun, max(type = 'bye') AS ended,
               minIf(seq, ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')) AS first,
               maxIf(seq, ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')) AS last
        FROM tcpshake.fleet
        WHERE ts >= toDateTime('{since}', 'UTC') - 600 AND ts < toDateTime('{until}', 'UTC') + 600 AND seq > 0
        GROUP BY host, feed
    )
    WHERE last > 0
)
ORDER BY missing DESC, host, feed
