//! Whatever comes over the control socket is a request or is refused, and a request is
//! written as it is read.

#![no_main]

use lastfd_host::control::Request;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Request::parse(bytes) {
        Ok(request) => assert_eq!(Request::parse(request.to_line().as_bytes()), Ok(request)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
