-- What a device of version 1.1 of object 5 is told about urgency, and for how long its user may put an
-- installation off.
ALTER TABLE upgrades ADD COLUMN severity TEXT;
ALTER TABLE upgrades ADD COLUMN defer_seconds BIGINT;
