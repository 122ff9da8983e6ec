//! What the camera sees: bars in eight colours, and over them the number of the
//! frame.

use lastfd_model::Result;
use lastfd_v4l2::{Frame, Picture};

/// Light and the two colours of each bar: white, yellow, cyan, green, magenta,
/// red, blue and black at three quarters, as ITU-R BT.601 has them.
const BARS: [[u8; 3]; 8] = [
    [180, 128, 128],
    [162, 44, 142],
    [131, 156, 44],
    [112, 72, 58],
    [84, 184, 198],
    [65, 100, 212],
    [35, 212, 114],
    [16, 128, 128],
];

/// Lines that the number takes, at the top.
const NUMBER_LINES: u32 = 16;
/// Cells of the number, one for each bit.
const CELLS: u32 = 32;
/// The least light.
const BLACK: u8 = 16;
/// The most light.
const WHITE: u8 = 235;
/// Between a cell's light and these is noise that somebody else made.
const NOISE: u8 = 32;

/// How bright the bars are, and how much they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// 0 to 255, 128 adds nothing.
    pub(super) brightness: i32,
    /// 0 to 255, 128 changes nothing.
    pub(super) contrast: i32,
}

impl Look {
    fn of(self, light: u8) -> u8 {
        let black = i32::from(BLACK);
        let spread = (i32::from(light) - black) * self.contrast / 128;
        (black + spread + self.brightness - 128).clamp(0, 255) as u8
    }
}

/// One whole picture, kept from frame to frame: only its number changes.
#[derive(Debug)]
pub(super) struct Pattern {
    picture: Picture,
    look: Look,
    bytes: Vec<u8>,
}

impl Pattern {
    pub(super) fn new(picture: Picture, look: Look) -> Pattern {
        let pairs = picture.width / 2;
        let line: Vec<u8> = (0..pairs)
            .flat_map(|pair| {
                let bar = BARS[(pair * 8 / pairs) as usize];
                let light = look.of(bar[0]);
                [light, bar[1], light, bar[2]]
            })
            .collect();
        Pattern {
            picture,
            look,
            bytes: line.repeat(picture.height as usize),
        }
    }

    /// Whether it is still the picture that is wanted.
    pub(super) fn is(&self, picture: Picture, look: Look) -> bool {
        (self.picture, self.look) == (picture, look)
    }

    /// Puts the frame with this number into a buffer.
    pub(super) fn expose(&mut self, frame: &Frame, number: u32) -> Result {
        let line = number_line(self.picture.width, number);
        let lines = NUMBER_LINES.min(self.picture.height) as usize;
        for top in self.bytes.chunks_exact_mut(line.len()).take(lines) {
            top.copy_from_slice(&line);
        }
        frame.write(0, &self.bytes)
    }
}

/// The first pixel of a cell.
fn start(width: usize, cell: usize) -> usize {
    (cell * width).div_ceil(CELLS as usize)
}

/// Which cell a pixel is in.
fn cell(width: u32, pixel: u32) -> u32 {
    (u64::from(pixel) * u64::from(CELLS) / u64::from(width)) as u32
}

/// One line of the number, the highest bit on the left.
fn number_line(width: u32, number: u32) -> Vec<u8> {
    let light = |pixel| {
        let bit = CELLS - 1 - cell(width, pixel);
        if number >> bit & 1 == 0 { BLACK } else { WHITE }
    };
    (0..width).flat_map(|pixel| [light(pixel), 128]).collect()
}

/// The number in a picture, by the light in the middle of each cell.
pub(super) fn number_in(yuyv: &[u8], width: u32) -> Option<u32> {
    let width = width as usize;
    if width < CELLS as usize {
        return None;
    }
    // In the middle of the number's lines.
    let line = yuyv
        .chunks_exact(width * 2)
        .nth(NUMBER_LINES as usize / 2)?;
    (0..CELLS as usize).try_fold(0, |number, cell| {
        let pixel = start(width, cell).midpoint(start(width, cell + 1) - 1);
        let bit = match line[pixel * 2] {
            light if light <= BLACK + NOISE => 0,
            light if light >= WHITE - NOISE => 1,
            _ => return None,
        };
        Some(number << 1 | bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_read_back_at_every_width() {
        for width in (32..200).step_by(2).chain([640, 1920]) {
            for number in [0, 1, 2, 0x5555_5555, 0xaaaa_aaaa, u32::MAX, 1 << 31] {
                let picture = number_line(width, number).repeat(16);
                assert_eq!(number_in(&picture, width), Some(number), "width {width}");
            }
        }
    }

    #[test]
    fn a_picture_without_a_number_has_none() {
        let look = Look {
            brightness: 128,
            contrast: 128,
        };
        let bars = Pattern::new(Picture::yuyv(640, 480), look);
        assert_eq!(number_in(&bars.bytes, 640), None);
        assert_eq!(number_in(&[], 640), None);
        assert_eq!(number_in(&[16; 640], 2), None);
    }

    #[test]
    fn brightness_and_contrast_change_the_bars() {
        let at = |brightness, contrast| {
            let look = Look {
                brightness,
                contrast,
            };
            Pattern::new(Picture::yuyv(64, 16), look).bytes[0]
        };
        assert_eq!(at(128, 128), BARS[0][0]);
        assert_eq!(at(138, 128), BARS[0][0] + 10);
        assert_eq!(at(128, 0), BLACK);
        assert_eq!(at(0, 0), 0);
        assert_eq!(at(255, 255), 255);
    }
}
