#![cfg_attr(fuzzing, no_main)]
fuzz::program!(fuzz::dtls_record::target);
