-- The attributes of an observation alone (LwM2M 1.2), as a query; empty if there are none.
ALTER TABLE wanted_observations ADD COLUMN attributes TEXT NOT NULL DEFAULT '';
