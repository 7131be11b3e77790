-- The packages of an upgrade of several components, in their order; without rows it is one of object 5.
CREATE TABLE upgrade_components (
    upgrade_id BIGINT NOT NULL REFERENCES upgrades (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    -- The instance of object 33629.
    instance BIGINT NOT NULL,
    package_id TEXT NOT NULL REFERENCES packages (id),
    PRIMARY KEY (upgrade_id, position)
);
CREATE INDEX upgrade_components_package ON upgrade_components (package_id);
