-- Registrations as the protocol left them, written behind, with the sealed session of each.
CREATE TABLE registrations (
    device_id TEXT NOT NULL PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    shard BIGINT NOT NULL,
    snapshot BLOB NOT NULL,
    session BLOB,
    -- The life of the server in which the session was saved.
    life BIGINT NOT NULL
);

ALTER TABLE device_states ADD COLUMN binding TEXT;
ALTER TABLE device_states ADD COLUMN queue_mode BIGINT;
ALTER TABLE device_states ADD COLUMN objects TEXT;
