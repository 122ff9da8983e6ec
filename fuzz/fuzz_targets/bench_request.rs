//! Whatever a session is sent is a request or is refused, and a request is written as it is
//! read. Its words are an event, a device, a fault or expectations, or are refused.

#![no_main]

use lastfd::devices::Spec;
use lastfd::session::{Ask, Request};
use lastfd::{Expectations, Fault, Occasion, When};
use libfuzzer_sys::fuzz_target;

fn is_word<T: core::str::FromStr<Err: ToString>>(text: &str) {
    if let Err(error) = text.parse::<T>() {
        assert!(!error.to_string().is_empty());
    }
}

fuzz_target!(|bytes: &[u8]| {
    let request = match Request::parse(bytes) {
        Ok(request) => request,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert_eq!(
        Request::parse(request.to_line().as_bytes()).as_ref(),
        Ok(&request)
    );
    match &request.ask {
        Ask::Plug { device } => is_word::<Spec>(device),
        Ask::Unplug { when, .. } | Ask::Unbind { when, .. } => {
            when.iter().for_each(|when| is_word::<When>(when));
        }
        Ask::Fault { fault, .. } => is_word::<Fault>(fault),
        Ask::Wait { event, .. } => is_word::<Occasion>(event),
        Ask::Expect { expected, .. } => is_word::<Expectations>(expected),
        _ => {}
    }
});
