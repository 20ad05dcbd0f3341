# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# UNTESTED: replicas need ZooKeeper or ClickHouse Keeper. Makes schema.sql one for replicas: sed -f replicated.sed schema.sql
# Each server needs the macros {shard} and {replica} in its configuration.
s|^ENGINE = ReplacingMergeTree$|ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tcpshake/{shard}/records', '{replica}')|
/handshakes_by_minute$/,/^PARTITION/s|^ENGINE = AggregatingMergeTree|ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tcpshake/{shard}/handshakes_by_minute', '{replica}')|
/queues_by_minute$/,/^PARTITION/s|^ENGINE = AggregatingMergeTree|ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tcpshake/{shard}/queues_by_minute', '{replica}')|
s|^ENGINE = ReplacingMergeTree(added) |ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tcpshake/{shard}/hosts', '{replica}', added) |
s|^ENGINE = ReplacingMergeTree ORDER|ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tcpshake/{shard}/releases', '{replica}') ORDER|
