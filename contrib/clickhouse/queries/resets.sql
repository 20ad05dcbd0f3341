-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Who resets, and why?
SELECT host, visitParamExtractString(raw, 'direction') AS direction, visitParamExtractString(raw, 'phase') AS phase, cause,
       local_port, comm, count() AS resets
FROM tcpshake.fleet
WHERE type = 'reset' AND ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')
GROUP BY host, direction, phase, cause, local_port, comm
ORDER BY resets DESC LIMIT 50
