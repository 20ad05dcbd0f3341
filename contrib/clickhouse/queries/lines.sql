-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- The lines themselves, each once, in the order of time: ask lines | tcpshake explain --from -
SELECT raw
FROM tcpshake.fleet
WHERE ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')
ORDER BY ts, nanosecond
LIMIT 1 BY host, feed, seq
FORMAT TSVRaw
