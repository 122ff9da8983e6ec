//! A camera whose frames are numbered: `camera`.

use core::time::Duration;

use lastfd_model::resource::{Next, Timer};
use lastfd_model::typed::{self, Bound, Device, PlatformDevice};
use lastfd_model::{Result, System};
use lastfd_sync::{Arc, Mutex};
use lastfd_v4l2::{Builder, Driver, Picture, Video};

use crate::kind::{BadValue, Key, Kind, Settings};
use crate::plug::{Hardware, Socket, platform_driver};

/// A camera of 64 by 48 grey pixels.
///
/// It appears as `/dev/video0` (`video1`, …) with the name `lastfd-camera`
/// (`lastfd-camera2`, …). Its frames begin with their number, 8 bytes with the
/// lowest first, counted from 0 at each start; the rest is black. A frame that
/// finds no buffer is lost, as its number shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Camera {
    /// Frames a second: 1 to 1000.
    pub rate: u32,
    /// The name of the video device; from the second on its number follows,
    /// unless it was named.
    pub name: Option<String>,
}

const NAME: &str = "lastfd-camera";

impl Default for Camera {
    fn default() -> Camera {
        Camera {
            rate: 100,
            name: None,
        }
    }
}

impl Camera {
    pub(crate) const KIND: Kind = Kind {
        name: "camera",
        summary: "a V4L2 camera whose frames are numbered",
        serves: "/dev/videoN, 64x48 GREY",
        keys: &[
            Key {
                name: "rate",
                value: "HZ",
                default: "100",
                what: "frames a second: 1 to 1000",
            },
            Key {
                name: "name",
                value: "TEXT",
                default: NAME,
                what: "the name of the video device",
            },
        ],
        build: |settings| Ok(Box::new(Camera::from_settings(settings)?)),
    };

    fn from_settings(settings: &Settings) -> core::result::Result<Camera, BadValue> {
        let mut camera = Camera {
            name: crate::dac::name(settings)?,
            ..Camera::default()
        };
        if let Some(rate) = settings.get("rate") {
            let rate = rate.parse().ok();
            camera.rate = rate
                .filter(|rate| (1..=1000).contains(rate))
                .ok_or(BadValue {
                    key: "rate",
                    expected: "1 to 1000",
                })?;
        }
        Ok(camera)
    }
}

impl Hardware for Camera {
    fn kind(&self) -> &'static str {
        Camera::KIND.name
    }

    fn driver(&self, system: &System) -> Result<Box<dyn core::any::Any + Send + Sync>> {
        platform_driver::<CameraDriver>(system, self.kind())
    }

    fn insert(&self, socket: &Socket<'_>) -> Result<PlatformDevice> {
        socket.register(Board {
            period: Duration::from_secs(1) / self.rate.max(1),
            name: self.name.clone().unwrap_or_else(|| socket.numbered(NAME)),
        })
    }
}

/// What the driver is told of the hardware.
struct Board {
    period: Duration,
    name: String,
}

/// The driver: what a probe that succeeded leaves.
struct CameraDriver;

impl typed::Driver for CameraDriver {
    type Info = Board;

    fn probe(device: &Device<Bound>, board: &Board) -> Result<CameraDriver> {
        let exposure = Arc::new(Mutex::new(Exposure::default()));
        let (of_timer, period) = (Arc::clone(&exposure), board.period);
        let timer = Timer::new(&device.system(), Some(device.raw()), "frames", move || {
            expose(&of_timer, period)
        });
        let timer = device.own(timer)?;
        Builder::new(device, &board.name, Picture::grey(64, 48)).register(Frames {
            exposure,
            timer,
            period,
        })?;
        Ok(CameraDriver)
    }
}

/// What the timer works on.
#[derive(Default)]
struct Exposure {
    /// Who wants frames; nobody unless it streams.
    video: Option<Video>,
    /// The number of the next frame.
    number: u64,
}

/// Fills one frame, if there is a buffer for it.
fn expose(exposure: &Mutex<Exposure>, period: Duration) -> Next {
    let (video, number) = {
        let mut exposure = exposure.lock();
        let Some(video) = exposure.video.clone() else {
            return Next::Stop;
        };
        let number = exposure.number;
        exposure.number += 1;
        (video, number)
    };
    if let Some(frame) = video.next_frame()
        && frame.write(0, &number.to_le_bytes()).is_ok()
    {
        frame.done();
    }
    Next::After(period)
}

/// The driver's data for its video device.
struct Frames {
    exposure: Arc<Mutex<Exposure>>,
    timer: Timer,
    period: Duration,
}

impl Driver for Frames {
    fn start(&self, video: &Video) -> Result {
        *self.exposure.lock() = Exposure {
            video: Some(video.clone()),
            number: 0,
        };
        self.timer.start(self.period);
        Ok(())
    }

    fn stop(&self, _video: &Video) {
        self.timer.cancel();
        let video = self.exposure.lock().video.take();
        drop(video);
    }
}
