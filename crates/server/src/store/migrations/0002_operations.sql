-- Operations that wait for their device, are under way, or have ended.
CREATE TABLE device_operations (
    id TEXT NOT NULL PRIMARY KEY,
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    paths TEXT NOT NULL,
    argument TEXT,
    state TEXT NOT NULL,
    answer TEXT,
    problem TEXT,
    problem_detail TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    finished_at BIGINT
);
-- Ids follow the time of creation.
CREATE INDEX device_operations_device ON device_operations (device_id, id);
CREATE INDEX device_operations_unfinished ON device_operations (id) WHERE finished_at IS NULL;

-- The last value that each path of a device was seen with.
CREATE TABLE device_values (
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (device_id, path)
);
CREATE INDEX device_values_age ON device_values (device_id, at);

-- What an operator wants observed whenever the device is there.
CREATE TABLE wanted_observations (
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    paths TEXT NOT NULL,
    PRIMARY KEY (device_id, paths)
);
