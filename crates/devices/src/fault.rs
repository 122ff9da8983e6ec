//! What goes wrong with the data of hardware that stays.

use core::fmt;
use core::time::Duration;

use lastfd_sync::{Arc, Mutex};

/// A fault of a source of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceFault {
    /// The next piece comes this much later.
    Delay(Duration),
    /// The next so many pieces are lost.
    Drop(u32),
    /// The next so many are the one before once more.
    Repeat(u32),
    /// The counters are put to shortly before they wrap.
    Wrap,
    /// No more data, until [`SourceFault::Start`].
    Stop,
    /// Data again.
    Start,
}

impl SourceFault {
    /// Its verb.
    pub fn verb(&self) -> &'static str {
        match self {
            SourceFault::Delay(_) => "delay",
            SourceFault::Drop(_) => "drop",
            SourceFault::Repeat(_) => "repeat",
            SourceFault::Wrap => "wrap",
            SourceFault::Stop => "stop",
            SourceFault::Start => "start",
        }
    }
}

impl fmt::Display for SourceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = self.verb();
        match self {
            SourceFault::Delay(time) => write!(f, "{verb}:{time:?}"),
            SourceFault::Drop(count) | SourceFault::Repeat(count) => write!(f, "{verb}:{count}"),
            _ => f.write_str(verb),
        }
    }
}

/// The faults of a source, shared by whoever asks for them and the driver's clock.
#[derive(Clone, Default)]
pub(crate) struct Source(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    delay: Option<Duration>,
    drop: u32,
    repeat: u32,
    wrap: bool,
    stopped: bool,
}

/// What comes of a piece of data that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// It comes.
    Comes,
    /// It comes that much later.
    Late(Duration),
    /// It is made and lost.
    Lost,
    /// The one before comes again.
    Again,
    /// It comes, with counters shortly before they wrap.
    Wrapping,
    /// There is none.
    Nothing,
}

impl Source {
    pub(crate) fn fault(&self, fault: SourceFault) {
        let mut state = self.0.lock();
        match fault {
            SourceFault::Delay(time) => state.delay = Some(time),
            SourceFault::Drop(count) => state.drop = state.drop.saturating_add(count),
            SourceFault::Repeat(count) => state.repeat = state.repeat.saturating_add(count),
            SourceFault::Wrap => state.wrap = true,
            SourceFault::Stop => state.stopped = true,
            SourceFault::Start => state.stopped = false,
        }
    }

    /// Asked once for each piece that is due.
    pub(crate) fn due(&self) -> Due {
        let mut state = self.0.lock();
        if state.stopped {
            return Due::Nothing;
        }
        if let Some(time) = state.delay.take() {
            return Due::Late(time);
        }
        if state.drop > 0 {
            state.drop -= 1;
            return Due::Lost;
        }
        if state.repeat > 0 {
            state.repeat -= 1;
            return Due::Again;
        }
        match core::mem::take(&mut state.wrap) {
            true => Due::Wrapping,
            false => Due::Comes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_met_one_by_one_and_then_no_more() {
        let source = Source::default();
        let late = Duration::from_millis(20);
        for fault in [
            SourceFault::Drop(2),
            SourceFault::Delay(late),
            SourceFault::Repeat(1),
            SourceFault::Wrap,
            SourceFault::Stop,
        ] {
            source.fault(fault);
        }
        assert_eq!([source.due(), source.due()], [Due::Nothing, Due::Nothing]);
        source.fault(SourceFault::Start);
        let met: Vec<Due> = (0..6).map(|_| source.due()).collect();
        use Due::*;
        assert_eq!(met, [Late(late), Lost, Lost, Again, Wrapping, Comes]);
    }
}
