//! A camera whose frames are numbered: `camera`.

mod pattern;

use lastfd_model::resource::{Next, Timer};
use lastfd_model::typed::{self, Bound, Device, PlatformDevice};
use lastfd_model::{Result, System};
use lastfd_sync::{Arc, Mutex, Weak};
use lastfd_v4l2::abi::{
    V4L2_CID_BRIGHTNESS, V4L2_CID_CONTRAST, V4L2_CID_DO_WHITE_BALANCE,
    V4L2_CID_POWER_LINE_FREQUENCY, V4L2_CID_POWER_LINE_FREQUENCY_AUTO, V4l2Fract,
};
use lastfd_v4l2::{Builder, Driver, Picture, Video};

use self::pattern::{Look, Pattern};
use crate::fault::{Due, Source};
use crate::kind::{BadValue, Key, Kind, Settings};
use crate::plug::{Hardware, Socket, platform_driver};

/// A camera that shows coloured bars and the number of the frame.
///
/// It appears as `/dev/video0` (`video1`, …) with the name `lastfd-camera`
/// (`lastfd-camera2`, …), and gives `YUYV` pictures of [its size](Camera::size), of
/// 640x480 and of 1920x1080, to mapped buffers and to read(). Controls are the
/// brightness and the contrast of the bars, a menu and a button that change
/// nothing but themselves.
///
/// Frames are counted from 0 at each start, as `sequence` of their buffers and in
/// the picture: the top 16 lines are 32 cells of equal width, white for a 1 and
/// black for a 0, the highest bit on the left. [`Camera::number_in`] reads it. A
/// frame that finds no buffer is lost, and its number is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Camera {
    /// Frames a second to start with, 1 to 1000; programs can choose 15, 30 and 60
    /// too. None is as fast as buffers come back.
    pub fps: Option<u32>,
    /// Width and height to start with: 32 to 4096 and 16 to 4096, the width even.
    pub size: (u32, u32),
    /// The name of the video device; from the second on its number follows,
    /// unless it was named.
    pub name: Option<String>,
}

const NAME: &str = "lastfd-camera";
/// The number of the frame that comes first when counters are made to wrap.
const BEFORE_WRAP: u32 = u32::MAX - 1;
/// Sizes that every camera has.
const SIZES: [(u32, u32); 2] = [(640, 480), (1920, 1080)];
/// Frames a second that every paced camera has.
const RATES: [u32; 3] = [15, 30, 60];
/// What brightness and contrast start with.
const MIDDLE: i32 = 128;

impl Default for Camera {
    fn default() -> Camera {
        Camera {
            fps: Some(30),
            size: SIZES[0],
            name: None,
        }
    }
}

impl Camera {
    pub(crate) const KIND: Kind = Kind {
        name: "camera",
        summary: "a V4L2 camera whose frames are numbered",
        serves: "/dev/videoN, YUYV 640x480 and 1920x1080, mmap and read, controls and their events",
        keys: &[
            Key {
                name: "fps",
                value: "HZ",
                default: "30",
                what: "frames a second: 1 to 1000, or max for as fast as they are taken",
            },
            Key {
                name: "size",
                value: "WxH",
                default: "640x480",
                what: "the size to start with: 32x16 to 4096x4096, the width even",
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
        if settings.get("fps") == Some("max") {
            camera.fps = None;
        } else if let Some(fps) =
            settings.number("fps", "1 to 1000, or max", |fps| (1..=1000).contains(fps))?
        {
            camera.fps = Some(fps);
        }
        if let Some(size) = settings.get("size") {
            camera.size = size_of_words(size).ok_or(BadValue {
                key: "size",
                expected: "32x16 to 4096x4096 with an even width",
            })?;
        }
        Ok(camera)
    }

    /// The number of the frame in a `YUYV` picture of a camera's, from its bytes
    /// and its width. None if there is no number in it.
    ///
    /// ```
    /// use lastfd_devices::{Camera, plug};
    /// use lastfd_chrdev::{OpenFlags, open};
    /// use lastfd_model::System;
    ///
    /// let system = System::new();
    /// let size = (32, 16);
    /// let camera = plug(&system, &Camera { size, fps: None, name: None }).unwrap();
    /// let file = open(&system, "/dev/video0", OpenFlags::RDONLY).unwrap();
    /// let mut picture = [0; 32 * 16 * 2];
    /// for number in 0..3 {
    ///     assert_eq!(file.read(&mut picture), Ok(picture.len()));
    ///     assert_eq!(Camera::number_in(&picture, 32), Some(number));
    /// }
    /// # drop((file, camera));
    /// ```
    pub fn number_in(yuyv: &[u8], width: u32) -> Option<u32> {
        pattern::number_in(yuyv, width)
    }
}

fn size_of_words(words: &str) -> Option<(u32, u32)> {
    let (width, height) = words.split_once('x')?;
    let size = (width.parse().ok()?, height.parse().ok()?);
    can_be(size).then_some(size)
}

fn can_be((width, height): (u32, u32)) -> bool {
    (32..=4096).contains(&width) && (16..=4096).contains(&height) && width.is_multiple_of(2)
}

/// The one that is in place of the camera's own, then the others.
fn first_of<T: Copy + PartialEq>(own: T, others: &[T]) -> Vec<T> {
    let others = others.iter().copied().filter(|other| *other != own);
    core::iter::once(own).chain(others).collect()
}

impl Hardware for Camera {
    fn kind(&self) -> &'static str {
        Camera::KIND.name
    }

    fn driver(&self, system: &System) -> Result<Box<dyn core::any::Any + Send + Sync>> {
        platform_driver::<CameraDriver>(system, self.kind())
    }

    fn insert(&self, socket: &Socket<'_>) -> Result<PlatformDevice> {
        if !can_be(self.size) || self.fps == Some(0) {
            return Err(lastfd_model::Errno::EINVAL);
        }
        let cable = Arc::new(Cable::default());
        let of_camera = Arc::clone(&cable);
        socket.on_disconnect(move || {
            let video = of_camera.0.lock().clone();
            if let Some(video) = video {
                video.disconnect();
            }
        });
        let source = Source::default();
        socket.has_source(
            &source,
            match self.fps {
                Some(_) => &["delay", "drop", "repeat", "wrap", "stop", "start"],
                // Without a clock of its own a frame cannot come late.
                None => &["drop", "repeat", "wrap"],
            },
        );
        socket.register(Board {
            source,
            camera: self.clone(),
            name: self.name.clone().unwrap_or_else(|| socket.numbered(NAME)),
            cable,
        })
    }
}

/// What the driver is told of the hardware.
struct Board {
    source: Source,
    camera: Camera,
    name: String,
    cable: Arc<Cable>,
}

/// The way from the hardware to the camera that its driver made, while it is bound.
#[derive(Default)]
struct Cable(Mutex<Option<Video>>);

/// The driver: what a probe that succeeded leaves.
struct CameraDriver;

impl typed::Driver for CameraDriver {
    type Info = Board;

    fn probe(device: &Device<Bound>, board: &Board) -> Result<CameraDriver> {
        let exposure = Arc::new(Mutex::new(Exposure {
            source: board.source.clone(),
            ..Exposure::default()
        }));
        let of_timer = Arc::downgrade(&exposure);
        let timer = Timer::new(&device.system(), Some(device.raw()), "frames", move || {
            tick(&of_timer)
        });
        let timer = device.own(timer)?;
        let Camera { fps, size, .. } = board.camera;
        let mut pictures = first_of(size, &SIZES)
            .into_iter()
            .map(|(width, height)| Picture::yuyv(width, height));
        // There is at least its own.
        let first = pictures.next().unwrap_or(Picture::yuyv(size.0, size.1));
        let rates = fps.map_or(Vec::new(), |fps| first_of(fps, &RATES));
        let intervals = rates.into_iter().map(|rate| V4l2Fract {
            numerator: 1,
            denominator: rate,
        });
        // After the camera is unregistered, which comes later on the list.
        let cable = Arc::clone(&board.cable);
        device.on_unbind(move || {
            let video = cable.0.lock().take();
            drop(video);
        })?;
        let auto = V4L2_CID_POWER_LINE_FREQUENCY_AUTO as u8;
        let video = Builder::new(device, &board.name, first)
            .pictures(pictures)
            .intervals(intervals)
            .control(V4L2_CID_BRIGHTNESS, 0, 255, 1, MIDDLE)
            .control(V4L2_CID_CONTRAST, 0, 255, 1, MIDDLE)
            .menu(V4L2_CID_POWER_LINE_FREQUENCY, auto, auto)
            .button(V4L2_CID_DO_WHITE_BALANCE)
            .register(Frames { exposure, timer })?;
        *board.cable.0.lock() = Some(video);
        Ok(CameraDriver)
    }
}

/// What the timer works on.
#[derive(Default)]
struct Exposure {
    /// Who wants frames; nobody unless it streams.
    video: Option<Video>,
    source: Source,
    /// The number of the next frame.
    number: u32,
    pattern: Option<Pattern>,
}

/// A frame is due.
fn tick(exposure: &Weak<Mutex<Exposure>>) -> Next {
    let Some(exposure) = exposure.upgrade() else {
        return Next::Stop;
    };
    let Some(video) = exposure.lock().video.clone() else {
        return Next::Stop;
    };
    let due = exposure.lock().source.due();
    match due {
        Due::Nothing => {}
        Due::Late(time) => return Next::After(time),
        due => {
            if !expose(&exposure, &video, due) {
                lose(&exposure, &video);
            }
        }
    }
    video.interval().map_or(Next::Stop, Next::After)
}

/// A frame was taken, and nobody gets it.
fn lose(exposure: &Mutex<Exposure>, video: &Video) {
    let mut exposure = exposure.lock();
    exposure.number = exposure.number.wrapping_add(1);
    drop(exposure);
    video.lose_frame();
}

/// Fills one frame, if there is a buffer for it.
fn expose(exposure: &Mutex<Exposure>, video: &Video, due: Due) -> bool {
    match due {
        Due::Lost => {
            lose(exposure, video);
            return true;
        }
        Due::Wrapping => {
            exposure.lock().number = BEFORE_WRAP;
            video.count_from(BEFORE_WRAP);
        }
        Due::Again => {
            let mut exposure = exposure.lock();
            exposure.number = exposure.number.wrapping_sub(1);
        }
        _ => {}
    }
    let Some(frame) = video.next_frame() else {
        return false;
    };
    let value = |id| video.control(id).unwrap_or(MIDDLE);
    let look = Look {
        brightness: value(V4L2_CID_BRIGHTNESS),
        contrast: value(V4L2_CID_CONTRAST),
    };
    let picture = video.picture();
    let mut state = exposure.lock();
    let number = state.number;
    state.number = number.wrapping_add(1);
    let kept = state.pattern.take().filter(|kept| kept.is(picture, look));
    drop(state);
    let mut pattern = kept.unwrap_or_else(|| Pattern::new(picture, look));
    let exposed = pattern.expose(&frame, number);
    exposure.lock().pattern = Some(pattern);
    match exposed {
        Ok(()) => frame.done(),
        // A program made buffers for smaller pictures than it then chose.
        Err(_) => drop(frame),
    }
    true
}

/// The driver's data for its video device.
struct Frames {
    exposure: Arc<Mutex<Exposure>>,
    timer: Timer,
}

impl Driver for Frames {
    fn start(&self, video: &Video) -> Result {
        {
            let mut exposure = self.exposure.lock();
            exposure.video = Some(video.clone());
            exposure.number = 0;
        }
        match video.interval() {
            Some(interval) => self.timer.start(interval),
            None => self.queued(video),
        }
        Ok(())
    }

    fn queued(&self, video: &Video) {
        if video.interval().is_none() {
            loop {
                let due = self.exposure.lock().source.due();
                if !expose(&self.exposure, video, due) {
                    break;
                }
            }
        }
    }

    fn stop(&self, _video: &Video) {
        self.timer.cancel();
        let video = self.exposure.lock().video.take();
        drop(video);
    }

    /// As vivid, whose nodes work again after that.
    // vivid-core.c: vivid_fop_release
    fn last_close(&self, video: &Video) {
        video.reconnect();
    }
}
