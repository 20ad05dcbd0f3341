-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- What did the daemons themselves report as lost? limited and lost of the identity, as it happened.
SELECT host, visitParamExtractString(raw, 'what') AS what, visitParamExtractString(raw, 'why') AS why, sum(count) AS lost,
       min(ts) AS first, max(ts) AS last
FROM tcpshake.fleet
WHERE type = 'loss' AND ts >= toDateTime('{since}', 'UTC') AND ts < toDateTime('{until}', 'UTC')
GROUP BY host, what, why
ORDER BY lost DESC
