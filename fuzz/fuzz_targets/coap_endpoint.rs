#![cfg_attr(fuzzing, no_main)]
fuzz::program!(fuzz::coap_endpoint::target);
