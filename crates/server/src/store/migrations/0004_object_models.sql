-- Object definitions that an operator uploaded, each in OMA's XML.
CREATE TABLE object_models (
    object BIGINT NOT NULL,
    version TEXT NOT NULL,
    definition TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (object, version)
);
