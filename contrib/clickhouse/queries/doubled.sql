-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Which lines are stored twice? A sender repeats a batch that it got no answer to. A merge takes the second away, and
-- OPTIMIZE TABLE tcpshake.records FINAL on the shard does it now; the roll-ups keep it.
SELECT host, feed, count() AS stored, uniqExact(seq) AS lines, stored - lines AS doubled
FROM tcpshake.fleet
WHERE ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')
GROUP BY host, feed
HAVING doubled > 0
ORDER BY doubled DESC
