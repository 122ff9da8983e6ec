//! The callbacks a driver gives to the core: `struct cec_adap_ops`.

use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::adapter::CecAdapter;
use crate::abi::CecMsg;

/// A shared callback.
pub type Callback<F> = Option<Arc<F>>;

/// What [`CecAdapOps::received`] answers if the core is to handle the message.
pub const ENOMSG: Errno = Errno::from_code(42);

type Enable = dyn Fn(&CecAdapter, bool) -> Result + Send + Sync;
type Told = dyn Fn(&CecAdapter) + Send + Sync;
type LogAddr = dyn Fn(&CecAdapter, u8) -> Result + Send + Sync;
type Transmit = dyn Fn(&CecAdapter, u8, u32, &CecMsg) -> Result + Send + Sync;
type Canceled = dyn Fn(&CecAdapter, &CecMsg) + Send + Sync;
type Received = dyn Fn(&CecAdapter, &CecMsg) -> Result + Send + Sync;

/// What a driver does (`struct cec_adap_ops`). All but
/// [`adap_free`](CecAdapOps::adap_free) and [`received`](CecAdapOps::received)
/// are called with the adapter's lock held: a driver that calls the core back
/// from inside one would hang in a kernel, and gets a splat here. One that is
/// not there answers well.
///
/// None is called once unregister began, except `adap_enable(false)`, if the
/// adapter is enabled then, and `adap_free`.
#[derive(Clone, Default)]
pub struct CecAdapOps {
    /// Switches the hardware on or off.
    pub adap_enable: Callback<Enable>,
    /// Lets the hardware receive what is not for it.
    pub adap_monitor_all_enable: Callback<Enable>,
    /// Lets the hardware tell the levels of its pin.
    pub adap_monitor_pin_enable: Callback<Enable>,
    /// Sets one more logical address; 0xff takes them all back.
    pub adap_log_addr: Callback<LogAddr>,
    /// The logical addresses were given up.
    pub adap_unconfigured: Callback<Told>,
    /// Begins to send a message: how often to try, the signal free time in bit
    /// periods, the message. The driver answers with
    /// [`cec_transmit_done`](super::cec_transmit_done) later; an error aborts
    /// the message.
    pub adap_transmit: Callback<Transmit>,
    /// A message that nobody waits for will not be sent, or not be replied to.
    pub adap_nb_transmit_canceled: Callback<Canceled>,
    /// The adapter is being freed.
    pub adap_free: Callback<Told>,
    /// Logical addresses were claimed.
    pub configured: Callback<Told>,
    /// A message for the adapter came; [`ENOMSG`] lets the core handle it.
    pub received: Callback<Received>,
}

impl core::fmt::Debug for CecAdapOps {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CecAdapOps").finish_non_exhaustive()
    }
}
