-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- Which hosts throw away segments of handshakes themselves, and for what reason of the kernel's?
SELECT host, visitParamExtractString(raw, 'reason') AS reason, visitParamExtractString(raw, 'segment') AS segment,
       visitParamExtractString(raw, 'direction') AS direction, local_port, count() AS drops
FROM tcpshake.fleet
WHERE type = 'drop' AND ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')
GROUP BY host, reason, segment, direction, local_port
ORDER BY drops DESC LIMIT 50
