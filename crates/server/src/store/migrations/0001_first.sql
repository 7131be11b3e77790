-- Moments are microseconds since 1970, sizes are bytes, truths are 0 or 1.

CREATE TABLE devices (
    id TEXT NOT NULL PRIMARY KEY,
    domain TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    name TEXT NOT NULL,
    security TEXT NOT NULL,
    last_upgrade_number BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX devices_endpoint ON devices (endpoint);

-- What the protocol tells; written behind and rebuilt by it after a loss.
CREATE TABLE device_states (
    device_id TEXT NOT NULL PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    registered BIGINT NOT NULL,
    address TEXT NOT NULL,
    secured BIGINT NOT NULL,
    lwm2m_version TEXT NOT NULL,
    lifetime_seconds BIGINT NOT NULL,
    manufacturer TEXT,
    model TEXT,
    firmware_version TEXT,
    registered_at BIGINT,
    last_seen_at BIGINT NOT NULL,
    warning TEXT
);

CREATE TABLE credentials (
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    version BIGINT NOT NULL,
    identity TEXT NOT NULL,
    sealed_key BLOB NOT NULL,
    key_fingerprint BLOB NOT NULL,
    key_prefix TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (device_id, kind, version)
);
CREATE UNIQUE INDEX credentials_identity ON credentials (identity);
CREATE UNIQUE INDEX credentials_fingerprint ON credentials (key_fingerprint);

CREATE TABLE packages (
    id TEXT NOT NULL PRIMARY KEY,
    domain TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    file_name TEXT NOT NULL,
    model TEXT,
    version TEXT NOT NULL,
    source_version TEXT,
    has_header BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX packages_sha256 ON packages (sha256);

CREATE TABLE upgrades (
    id BIGINT NOT NULL PRIMARY KEY,
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    package_id TEXT NOT NULL REFERENCES packages (id),
    delivery TEXT NOT NULL,
    observe BIGINT NOT NULL,
    base_uri TEXT,
    timeout_seconds BIGINT NOT NULL,
    stage TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    record BLOB,
    cancel_wanted BIGINT NOT NULL,
    version_before TEXT,
    version_after TEXT,
    bytes_sent BIGINT NOT NULL,
    retransmissions BIGINT NOT NULL,
    outcome TEXT,
    cause TEXT,
    reason TEXT,
    advice TEXT,
    last_event BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT
);
CREATE UNIQUE INDEX upgrades_number ON upgrades (device_id, number);
-- One upgrade drives a device at a time.
CREATE UNIQUE INDEX upgrades_unfinished ON upgrades (device_id) WHERE finished_at IS NULL;
CREATE INDEX upgrades_package ON upgrades (package_id);

CREATE TABLE upgrade_events (
    upgrade_id BIGINT NOT NULL REFERENCES upgrades (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    stage TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (upgrade_id, number)
);
