-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Which feeds have no line for a minute (quiet=60) before `until`, or now, and no bye? They have stopped, or the host is idle.
-- An idle host writes nothing. The metric `up`, with the alert TcpshakeDown, says whether its daemon answers.
SELECT host, feed, max(ts) AS last, max(seq) AS last_seq
FROM tcpshake.fleet
WHERE ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')
GROUP BY host, feed
HAVING max(type = 'bye') = 0 AND last < least(toDateTime('{until}', 'UTC'), now()) - {quiet}
ORDER BY last
