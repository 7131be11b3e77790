-- A device has at most one key of a kind in each state: the one that it proves, and one that was written to
-- it and not proved yet. The identities of different kinds are asked for at different ports.
ALTER TABLE credentials ADD COLUMN state TEXT NOT NULL DEFAULT 'active';
DROP INDEX credentials_identity;
CREATE UNIQUE INDEX credentials_identity ON credentials (kind, identity);
CREATE UNIQUE INDEX credentials_state ON credentials (device_id, kind, state);

-- How a device is bootstrapped, and how it went the last time.
CREATE TABLE device_bootstraps (
    device_id TEXT NOT NULL PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    security TEXT NOT NULL,
    -- What it is, as an operator says: known before it has registered.
    model TEXT,
    result TEXT,
    detail TEXT,
    -- One in a line.
    steps TEXT,
    warning TEXT,
    started_at BIGINT,
    finished_at BIGINT
);

-- The management servers that devices are given: of one device, of a model, or of all others.
CREATE TABLE bootstrap_servers (
    owner TEXT NOT NULL,
    short_id BIGINT NOT NULL,
    -- The device of the owner, if it is one.
    device_id TEXT REFERENCES devices (id) ON DELETE CASCADE,
    -- NULL is this server.
    uri TEXT,
    lifetime_seconds BIGINT NOT NULL,
    hold_off_seconds BIGINT NOT NULL,
    binding TEXT NOT NULL,
    store_notifications BIGINT NOT NULL,
    minimum_period_seconds BIGINT,
    maximum_period_seconds BIGINT,
    -- What the device proves there, if that is not its key here.
    identity TEXT,
    sealed_key BLOB,
    key_prefix TEXT,
    PRIMARY KEY (owner, short_id)
);
CREATE INDEX bootstrap_servers_device ON bootstrap_servers (device_id);
