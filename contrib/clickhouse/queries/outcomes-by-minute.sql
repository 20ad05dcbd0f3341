-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- How handshakes ended, by minute: from the roll-up.
SELECT minute, role, sum(n) AS ended, sumIf(n, outcome != 'established') AS failed
FROM
(
    SELECT minute, role, outcome, countMerge(handshakes) AS n FROM tcpshake.fleet_handshakes_by_minute
    WHERE minute >= toDateTime('{since}', 'UTC') AND minute < toDateTime('{until}', 'UTC')
    GROUP BY minute, role, outcome
)
GROUP BY minute, role ORDER BY minute, role
