#![cfg_attr(fuzzing, no_main)]
fuzz::program!(fuzz::formats::senml_json);
