-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- UNTESTED: for ClickHouse from 21 on, after schema.sql. What 18.16 does not have: it refuses each of these as a syntax error.
-- Written from the documentation; nobody has run it for this project.

-- 18.16 gets zstd for all columns from config.d/tcpshake.xml.
ALTER TABLE tcpshake.records MODIFY COLUMN raw CODEC(ZSTD(3));

-- Records for two weeks, roll-ups for two years. On 18.16: README.md, How long.
ALTER TABLE tcpshake.records MODIFY TTL ts + INTERVAL 14 DAY;
ALTER TABLE tcpshake.`.inner.handshakes_by_minute` MODIFY TTL minute + INTERVAL 2 YEAR;
ALTER TABLE tcpshake.`.inner.queues_by_minute` MODIFY TTL minute + INTERVAL 2 YEAR;
