//! Sample layout and the way of samples through the buffer, held against a slow
//! and obvious model.

use lastfd_iio::*;
use lastfd_model::raw::*;
use proptest::prelude::*;

use lastfd_iio::raw::*;
use lastfd_rigs::iio::{Rig, answers};

/// Storage bits of a channel, and how often it repeats.
fn storage() -> impl Strategy<Value = (u8, u8)> {
    (
        prop_oneof![Just(8_u8), Just(16), Just(32), Just(64)],
        prop_oneof![Just(0_u8), Just(1), Just(2), Just(4)],
    )
}

fn channels(storage: &[(u8, u8)]) -> Vec<ChannelSpec> {
    let mut channels: Vec<ChannelSpec> = storage
        .iter()
        .enumerate()
        .map(|(index, &(bits, repeat))| ChannelSpec {
            indexed: true,
            channel: index as i32,
            scan_index: index as i32,
            scan_type: ScanType {
                repeat,
                ..ScanType::signed(bits)
            },
            ..ChannelSpec::default()
        })
        .collect();
    channels.push(ChannelSpec::soft_timestamp(storage.len() as i32));
    channels
}

/// Walks byte by byte to the first place where an element of the size may lie.
fn obvious_place(mut at: usize, size: usize) -> usize {
    while !at.is_multiple_of(size) {
        at += 1;
    }
    at
}

/// Where each element of a scan lies, and how long the scan is.
fn obvious_layout(sizes: &[usize]) -> (Vec<usize>, usize) {
    let mut places = Vec::new();
    let mut end = 0;
    for &size in sizes {
        let place = obvious_place(end, size);
        places.push(place);
        end = place + size;
    }
    let largest = sizes.iter().copied().max().unwrap_or(1);
    (places, obvious_place(end, largest))
}

fn chosen(storage: &[(u8, u8)], bits: u16) -> Vec<usize> {
    (0..storage.len())
        .filter(|i| bits & (1 << i) != 0)
        .collect()
}

fn sizes(storage: &[(u8, u8)], chosen: &[usize], timestamp: bool) -> Vec<usize> {
    let one = |&index: &usize| {
        let (bits, repeat) = storage[index];
        bits as usize / 8 * repeat.max(1) as usize
    };
    let mut sizes: Vec<usize> = chosen.iter().map(one).collect();
    if timestamp {
        sizes.push(8);
    }
    sizes
}

proptest! {
    #[test]
    fn a_scan_is_as_long_as_the_obvious_model_says(
        storage in prop::collection::vec(storage(), 1..9),
        bits in any::<u16>(),
        timestamp in any::<bool>(),
    ) {
        let chosen = chosen(&storage, bits);
        let (_, bytes) = obvious_layout(&sizes(&storage, &chosen, timestamp));
        let mask = ScanMask::of(&chosen);
        let found = compute_scan_bytes(&channels(&storage), &mask, timestamp);
        prop_assert_eq!(found, Ok(bytes));
    }

    /// Every element carries its own bytes; the reader finds each where the model
    /// puts it, whatever was pushed for the elements it did not ask for.
    #[test]
    fn a_reader_finds_each_element_in_its_place(
        storage in prop::collection::vec(storage(), 1..6),
        bits in 1..64_u16,
        timestamp in any::<bool>(),
        whole in any::<bool>(),
        samples in 1..6_usize,
    ) {
        let wanted = chosen(&storage, bits);
        prop_assume!(!wanted.is_empty());
        let all: Vec<usize> = (0..storage.len()).collect();
        // With only the whole scan available the buffer's part is cut out. The
        // kernel misplaces a time stamp behind elements that nobody wants, so
        // the last one is always wanted here.
        let cut = whole && wanted.last() == all.last();
        let specs = channels(&storage);
        let rig = Rig::new(move |parent| {
            let iio = devm_iio_device_alloc(parent)?;
            iio.set_name("layout");
            iio.set_info(answers());
            iio.set_channels(specs.clone());
            if cut {
                iio.set_available_scan_masks([ScanMask::of(&(0..specs.len() - 1).collect::<Vec<_>>())]);
            }
            devm_iio_kfifo_buffer_setup(parent, &iio, IioBufferSetupOps::default())?;
            devm_iio_device_register(parent, &iio)?;
            Ok(iio)
        });
        for index in &wanted {
            rig.write(&format!("scan_elements/in_voltage{index}_en"), "1").unwrap();
        }
        rig.write("scan_elements/in_timestamp_en", if timestamp { "1" } else { "0" }).unwrap();
        rig.write("buffer/length", "8").unwrap();
        rig.write("buffer/enable", "1").unwrap();
        let iio = rig.iio();

        let taken = if cut { all } else { wanted.clone() };
        let (places, bytes) = obvious_layout(&sizes(&storage, &taken, timestamp));
        prop_assert_eq!(iio.scan_bytes(), bytes);
        let byte = |sample: usize, index: usize, at: usize| (sample * 101 + index * 17 + at) as u8;
        let stamp = |sample: usize| 7_000_000_000 + sample as i64;
        for sample in 0..samples {
            let mut scan = vec![0xee; bytes];
            for (place, &index) in places.iter().zip(&taken) {
                for at in 0..sizes(&storage, &[index], false)[0] {
                    scan[place + at] = byte(sample, index, at);
                }
            }
            iio_push_to_buffers_with_timestamp(&iio, &mut scan, stamp(sample)).unwrap();
        }

        let (places, bytes) = obvious_layout(&sizes(&storage, &wanted, timestamp));
        let file = rig.open(lastfd_chrdev::OpenFlags::RDONLY).unwrap();
        let mut read = vec![0; bytes * samples + 3];
        // What the kernel cuts out it does not round up to the largest element;
        // the buffer's own samples are.
        prop_assert_eq!(file.read(&mut read), Ok(bytes * samples));
        for sample in 0..samples {
            let scan = &read[sample * bytes..(sample + 1) * bytes];
            for (place, &index) in places.iter().zip(&wanted) {
                for at in 0..sizes(&storage, &[index], false)[0] {
                    prop_assert_eq!(scan[place + at], byte(sample, index, at));
                }
            }
            if timestamp {
                let place = *places.last().unwrap();
                // The kernel stores it in the last whole 8 bytes of the scan.
                let found = i64::from_ne_bytes(scan[place..place + 8].try_into().unwrap());
                if largest(&storage, &taken) <= 8 {
                    prop_assert_eq!(found, stamp(sample));
                }
            }
        }
        drop(file);
        prop_assert_eq!(rig.splats(), [""; 0]);
        let _ = device_is_registered(iio.dev());
    }
}

fn largest(storage: &[(u8, u8)], chosen: &[usize]) -> usize {
    sizes(storage, chosen, false).into_iter().max().unwrap_or(0)
}
