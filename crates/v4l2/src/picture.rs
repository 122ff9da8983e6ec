//! What pictures a camera takes: formats, sizes, the time between them, and which
//! of each is chosen.

use core::time::Duration;

use lastfd_abi::v4l2::*;
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Mutex};

use crate::raw::V4l2IoctlOps;

/// One format and size of a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels of a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Its four characters, such as [`V4L2_PIX_FMT_GREY`].
    pub pixelformat: u32,
    /// Bytes of a line.
    pub bytesperline: u32,
}

impl Picture {
    /// A byte of grey for each pixel.
    pub fn grey(width: u32, height: u32) -> Picture {
        Picture {
            width,
            height,
            pixelformat: V4L2_PIX_FMT_GREY,
            bytesperline: width,
        }
    }

    /// Two bytes for each pixel: its light, and one of the colours of two. The
    /// width is even.
    pub fn yuyv(width: u32, height: u32) -> Picture {
        Picture {
            width,
            height,
            pixelformat: V4L2_PIX_FMT_YUYV,
            bytesperline: width.saturating_mul(2),
        }
    }

    /// Bytes of the whole.
    pub fn size(&self) -> u32 {
        self.bytesperline.saturating_mul(self.height)
    }

    fn fill(&self, format: &mut V4l2Format) {
        format.set_pix(&V4l2PixFormat {
            width: self.width,
            height: self.height,
            pixelformat: self.pixelformat,
            field: V4L2_FIELD_NONE,
            bytesperline: self.bytesperline,
            sizeimage: self.size(),
            colorspace: V4L2_COLORSPACE_SRGB,
            ..V4l2PixFormat::default()
        });
    }

    fn has_size(&self, width: u32, height: u32) -> bool {
        self.width == width && self.height == height
    }
}

/// What there is to choose from, and what is chosen.
#[derive(Debug)]
pub(crate) struct Pictures {
    /// The first is the one it starts with.
    all: Vec<Picture>,
    /// Times between frames; the first is the one it starts with. None if the
    /// camera does not say.
    intervals: Vec<V4l2Fract>,
    chosen: Mutex<Chosen>,
}

#[derive(Clone, Copy, Debug)]
struct Chosen {
    picture: Picture,
    interval: Option<V4l2Fract>,
}

impl Pictures {
    /// None without a picture, or with one without bytes.
    pub(crate) fn new(all: Vec<Picture>, intervals: Vec<V4l2Fract>) -> Option<Pictures> {
        let picture = *all.first()?;
        let timeless = |time: &V4l2Fract| time.numerator == 0 || time.denominator == 0;
        if all.iter().any(|picture| picture.size() == 0) || intervals.iter().any(timeless) {
            return None;
        }
        let interval = intervals.first().copied();
        Some(Pictures {
            all,
            intervals,
            chosen: Mutex::new(Chosen { picture, interval }),
        })
    }

    pub(crate) fn picture(&self) -> Picture {
        self.chosen.lock().picture
    }

    pub(crate) fn interval(&self) -> Option<Duration> {
        let V4l2Fract {
            numerator,
            denominator,
        } = self.chosen.lock().interval?;
        Some(Duration::from_secs(numerator.into()) / denominator)
    }

    /// The formats, each once.
    fn formats(&self) -> Vec<u32> {
        let mut formats = Vec::new();
        for picture in &self.all {
            if !formats.contains(&picture.pixelformat) {
                formats.push(picture.pixelformat);
            }
        }
        formats
    }

    fn sizes(&self, pixelformat: u32) -> impl Iterator<Item = &Picture> {
        let of_format = move |picture: &&Picture| picture.pixelformat == pixelformat;
        self.all.iter().filter(of_format)
    }

    /// What a program gets that asks for this: the format it started with for one
    /// that there is not, and the nearest size.
    // v4l2-common.c: __v4l2_find_nearest_size
    fn nearest(&self, wanted: &V4l2PixFormat) -> Picture {
        let first = self.all[0];
        let known = self.sizes(wanted.pixelformat).next().is_some();
        let pixelformat = match known {
            true => wanted.pixelformat,
            false => first.pixelformat,
        };
        let error = |picture: &&Picture| {
            let width = u64::from(picture.width.abs_diff(wanted.width));
            width + u64::from(picture.height.abs_diff(wanted.height))
        };
        self.sizes(pixelformat)
            .min_by_key(error)
            .copied()
            .unwrap_or(first)
    }

    /// The interval nearest to this; the one it started with for none.
    fn nearest_interval(&self, wanted: V4l2Fract) -> Option<V4l2Fract> {
        if wanted.numerator == 0 || wanted.denominator == 0 {
            return self.intervals.first().copied();
        }
        let nanos = |time: &V4l2Fract| {
            u128::from(time.numerator) * 1_000_000_000 / u128::from(time.denominator)
        };
        let error = |time: &&V4l2Fract| nanos(time).abs_diff(nanos(&wanted));
        self.intervals.iter().min_by_key(error).copied()
    }

    fn enum_fmt(&self, desc: &mut V4l2Fmtdesc) -> Result {
        let formats = self.formats();
        desc.pixelformat = *at(&formats, desc.index)?;
        Ok(())
    }

    fn enum_framesizes(&self, size: &mut V4l2Frmsizeenum) -> Result {
        let sizes: Vec<&Picture> = self.sizes(size.pixel_format).collect();
        let picture = at(&sizes, size.index)?;
        size.type_ = V4L2_FRMSIZE_TYPE_DISCRETE;
        (size.width, size.height) = (picture.width, picture.height);
        Ok(())
    }

    fn enum_frameintervals(&self, time: &mut V4l2Frmivalenum) -> Result {
        let mut sizes = self.sizes(time.pixel_format);
        if !sizes.any(|picture| picture.has_size(time.width, time.height)) {
            return Err(Errno::EINVAL);
        }
        time.discrete = *at(&self.intervals, time.index)?;
        time.type_ = V4L2_FRMIVAL_TYPE_DISCRETE;
        Ok(())
    }

    /// Fills in the time between frames.
    fn tell(&self, parm: &mut V4l2Streamparm) {
        parm.capability = V4L2_CAP_TIMEPERFRAME;
        parm.capturemode = 0;
        parm.timeperframe = self.chosen.lock().interval.unwrap_or_default();
        // What read() makes at least.
        parm.readbuffers = crate::driver::READ_BUFFERS;
    }

    fn choose_interval(&self, parm: &mut V4l2Streamparm) {
        let interval = self.nearest_interval(parm.timeperframe);
        self.chosen.lock().interval = interval;
        self.tell(parm);
    }
}

fn at<T>(list: &[T], index: u32) -> Result<&T> {
    usize::try_from(index)
        .ok()
        .and_then(|index| list.get(index))
        .ok_or(Errno::EINVAL)
}

/// The ioctls of pictures and of the time between them; without intervals those
/// of the time are not there.
pub(crate) fn ioctl_ops(pictures: &Arc<Pictures>) -> V4l2IoctlOps {
    let p = || Arc::clone(pictures);
    let (enumerated, told, tried, set, sizes) = (p(), p(), p(), p(), p());
    let mut ops = V4l2IoctlOps {
        vidioc_enum_fmt_vid_cap: Some(Arc::new(move |_, desc| enumerated.enum_fmt(desc))),
        vidioc_g_fmt_vid_cap: Some(Arc::new(move |_, format| {
            told.picture().fill(format);
            Ok(())
        })),
        vidioc_try_fmt_vid_cap: Some(Arc::new(move |_, format| {
            tried.nearest(&format.pix()).fill(format);
            Ok(())
        })),
        vidioc_s_fmt_vid_cap: Some(Arc::new(move |call, format| {
            if call.vdev().queue().is_some_and(|queue| queue.is_busy()) {
                return Err(Errno::EBUSY);
            }
            let picture = set.nearest(&format.pix());
            set.chosen.lock().picture = picture;
            picture.fill(format);
            Ok(())
        })),
        vidioc_enum_framesizes: Some(Arc::new(move |_, size| sizes.enum_framesizes(size))),
        ..V4l2IoctlOps::default()
    };
    if !pictures.intervals.is_empty() {
        let (times, told, set) = (p(), p(), p());
        ops.vidioc_enum_frameintervals =
            Some(Arc::new(move |_, time| times.enum_frameintervals(time)));
        ops.vidioc_g_parm = Some(Arc::new(move |_, parm| {
            told.tell(parm);
            Ok(())
        }));
        ops.vidioc_s_parm = Some(Arc::new(move |_, parm| {
            set.choose_interval(parm);
            Ok(())
        }));
    }
    ops
}
