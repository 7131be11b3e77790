-- What is known of a kind of device: the profile as it was imported, and what we were told besides.
CREATE TABLE products (
    id TEXT NOT NULL PRIMARY KEY,
    domain TEXT NOT NULL,
    manufacturer_id TEXT NOT NULL,
    manufacturer_name TEXT NOT NULL,
    model TEXT NOT NULL,
    device_type TEXT NOT NULL,
    protocol_type TEXT NOT NULL,
    -- The file with this one device in it.
    profile TEXT NOT NULL,
    -- What stands in it under "updraft".
    settings TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX products_identity
    ON products (domain, manufacturer_name, model, device_type, protocol_type);

-- Public keys of those who sign packages. A key that was revoked stays, so that nobody adds it again.
CREATE TABLE signing_keys (
    id TEXT NOT NULL PRIMARY KEY,
    domain TEXT NOT NULL,
    manufacturer TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    pem TEXT NOT NULL,
    comment TEXT NOT NULL,
    added_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT,
    revoked_by TEXT,
    revocation_reason TEXT
);
CREATE INDEX signing_keys_manufacturer ON signing_keys (domain, manufacturer);

-- NULL: known by what the device reports, or not at all.
ALTER TABLE devices ADD COLUMN product_id TEXT REFERENCES products (id);
CREATE INDEX devices_product ON devices (product_id);
