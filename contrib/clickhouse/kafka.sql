-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- From a topic of Kafka into the tables, on one shard or on several (then they share the topic's partitions), after fleet.sql. Each message is
-- {"raw":"…"}, as contrib/rsyslog/tcpshake-kafka.conf makes it. Put your brokers in.
CREATE TABLE IF NOT EXISTS tcpshake.kafka (raw String)
ENGINE = Kafka
SETTINGS kafka_broker_list = 'kafka.example.net:9092', kafka_topic_list = 'tcpshake', kafka_group_name = 'tcpshake-clickhouse',
         kafka_format = 'JSONEachRow';

CREATE MATERIALIZED VIEW IF NOT EXISTS tcpshake.from_kafka TO tcpshake.incoming AS SELECT raw FROM tcpshake.kafka;
