-- What a package is for, who vouches for it, and how long its file is kept. Packages of before this step have no
-- product: their upgrades go on, but none can be started.
ALTER TABLE packages ADD COLUMN product_id TEXT REFERENCES products (id);
ALTER TABLE packages ADD COLUMN manufacturer TEXT NOT NULL DEFAULT '';
ALTER TABLE packages ADD COLUMN product_model TEXT NOT NULL DEFAULT '';
ALTER TABLE packages ADD COLUMN device_type TEXT NOT NULL DEFAULT '';
ALTER TABLE packages ADD COLUMN protocol TEXT NOT NULL DEFAULT '';
-- raw, archive or signed_archive
ALTER TABLE packages ADD COLUMN content TEXT NOT NULL DEFAULT 'raw';
-- What devices receive; NULL where there are two files, one for each bank.
ALTER TABLE packages ADD COLUMN payload_name TEXT;
ALTER TABLE packages ADD COLUMN payload_size_bytes BIGINT;
ALTER TABLE packages ADD COLUMN payload_sha256 TEXT;
ALTER TABLE packages ADD COLUMN banks BIGINT NOT NULL DEFAULT 1;
ALTER TABLE packages ADD COLUMN manifest TEXT;
ALTER TABLE packages ADD COLUMN manifest_sha256 TEXT;
-- Ids of the keys that signed, separated by spaces.
ALTER TABLE packages ADD COLUMN signers TEXT NOT NULL DEFAULT '';
-- uploaded, verified, approved or withdrawn
ALTER TABLE packages ADD COLUMN state TEXT NOT NULL DEFAULT 'uploaded';
ALTER TABLE packages ADD COLUMN uploaded_by TEXT NOT NULL DEFAULT '';
-- The approval is of exactly these bytes.
ALTER TABLE packages ADD COLUMN approved_by TEXT;
ALTER TABLE packages ADD COLUMN approved_at BIGINT;
ALTER TABLE packages ADD COLUMN approved_sha256 TEXT;
ALTER TABLE packages ADD COLUMN approved_manifest_sha256 TEXT;
ALTER TABLE packages ADD COLUMN withdrawn_by TEXT;
ALTER TABLE packages ADD COLUMN withdrawn_at BIGINT;
ALTER TABLE packages ADD COLUMN withdrawal_reason TEXT;
-- 24h, 1week, 1month or forever
ALTER TABLE packages ADD COLUMN keep TEXT NOT NULL DEFAULT 'forever';
ALTER TABLE packages ADD COLUMN expires_at BIGINT;
-- When the file was deleted; the row stays for the history.
ALTER TABLE packages ADD COLUMN removed_at BIGINT;
CREATE INDEX packages_product ON packages (product_id);
CREATE INDEX packages_expiry ON packages (expires_at) WHERE removed_at IS NULL;
