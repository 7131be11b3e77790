#![cfg_attr(fuzzing, no_main)]
fuzz::program!(fuzz::formats::lwm2m_json);
