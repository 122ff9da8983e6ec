//! Controls: the kernel's answers.

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{OpenFile, Process};
use lastfd_model::{Errno, Result};
use lastfd_v4l2::raw::*;
use zerocopy::{FromBytes, IntoBytes};

use lastfd_rigs::v4l2::DISCONNECT;
use lastfd_rigs::v4l2::{Rig, ctrl, ioctl, set_ctrl};

/// The controls from `id` on, as a program walks over them.
fn walk(file: &OpenFile, next: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    let mut query = V4l2Queryctrl {
        id: next,
        ..V4l2Queryctrl::default()
    };
    while ioctl(file, VIDIOC_QUERYCTRL, &mut query).is_ok() {
        found.push((query.id, text(&query.name)));
        query.id |= next;
    }
    found
}

#[test]
fn a_program_walks_over_the_controls_and_their_class() {
    let rig = Rig::silent();
    let file = rig.file();
    assert_eq!(
        walk(&file, V4L2_CTRL_FLAG_NEXT_CTRL),
        [
            (V4L2_CID_USER_CLASS, "User Controls".to_owned()),
            (V4L2_CID_BRIGHTNESS, "Brightness".to_owned()),
            (DISCONNECT, "Disconnect".to_owned()),
        ]
    );
    assert_eq!(walk(&file, V4L2_CTRL_FLAG_NEXT_COMPOUND), []);
    let mut query = V4l2QueryExtCtrl {
        id: V4L2_CID_BRIGHTNESS,
        ..V4l2QueryExtCtrl::default()
    };
    ioctl(&file, VIDIOC_QUERY_EXT_CTRL, &mut query).unwrap();
    assert_eq!((query.minimum, query.maximum), (0, 255));
    assert_eq!((query.step, query.default_value), (1, 128));
    assert_eq!((query.elems, query.elem_size), (1, 4));
    assert_eq!(query.flags, V4L2_CTRL_FLAG_SLIDER);
    query.id = V4L2_CID_CONTRAST;
    let missing = ioctl(&file, VIDIOC_QUERY_EXT_CTRL, &mut query);
    assert_eq!(missing, Err(Errno::EINVAL));
    let mut menu = V4l2Querymenu {
        id: V4L2_CID_BRIGHTNESS,
        ..V4l2Querymenu::default()
    };
    assert_eq!(
        ioctl(&file, VIDIOC_QUERYMENU, &mut menu),
        Err(Errno::EINVAL)
    );
}

#[test]
fn every_way_to_read_and_set_a_control_is_answered_as_in_the_kernel() {
    let rig = Rig::silent();
    let file = rig.file();
    let missing = V4L2_CID_GAIN;
    let table: &[(u32, i32, Result<i32>, Result<i32>)] = &[
        // Control, value; what setting gives, what reading gives then.
        (V4L2_CID_BRIGHTNESS, 7, Ok(7), Ok(7)),
        // Out of range is put in range.
        (V4L2_CID_BRIGHTNESS, -5, Ok(0), Ok(0)),
        (V4L2_CID_BRIGHTNESS, i32::MAX, Ok(255), Ok(255)),
        (V4L2_CID_BRIGHTNESS, i32::MIN, Ok(0), Ok(0)),
        (missing, 1, Err(Errno::EINVAL), Err(Errno::EINVAL)),
        // A class is a name, a button can only be pressed.
        (
            V4L2_CID_USER_CLASS,
            1,
            Err(Errno::EACCES),
            Err(Errno::EACCES),
        ),
    ];
    for (id, value, set, get) in table {
        assert_eq!(set_ctrl(&file, *id, *value), *set, "{id:#x} = {value}");
        assert_eq!(ctrl(&file, *id), *get, "{id:#x}");
    }
    assert_eq!(ctrl(&file, DISCONNECT), Err(Errno::EACCES));
}

#[test]
fn values_are_rounded_to_steps_and_switches_are_zero_or_one() {
    let rig = Rig::silent();
    let controls = &rig.camera().ctrls;
    let config = CtrlConfig {
        id: V4L2_CID_BASE + 0x1001,
        name: "Steps".into(),
        type_: V4L2_CTRL_TYPE_INTEGER,
        min: -10,
        max: 12,
        step: 5,
        ..CtrlConfig::default()
    };
    let steps = v4l2_ctrl_new_custom(controls, config, None).unwrap();
    for (value, expected) in [
        (-10, -10),
        (-8, -10),
        (-7, -5),
        (0, 0),
        (3, 5),
        (9, 10),
        (99, 10),
    ] {
        v4l2_ctrl_s_ctrl(&steps, value).unwrap();
        assert_eq!(v4l2_ctrl_g_ctrl(&steps), expected, "{value}");
    }
    let flip = v4l2_ctrl_new_std(controls, None, V4L2_CID_HFLIP, 0, 1, 1, 0).unwrap();
    let file = rig.file();
    assert_eq!(set_ctrl(&file, V4L2_CID_HFLIP, -3), Ok(1));
    flip.grab(true);
    assert_eq!(set_ctrl(&file, V4L2_CID_HFLIP, 0), Err(Errno::EBUSY));
    flip.grab(false);
    assert_eq!(set_ctrl(&file, V4L2_CID_HFLIP, 0), Ok(0));
}

#[test]
fn a_control_that_cannot_be_spoils_the_set() {
    let rig = Rig::silent();
    let controls = v4l2_ctrl_handler_init(&rig.system).unwrap();
    let wrong = v4l2_ctrl_new_std(&controls, None, V4L2_CID_HUE, 5, 1, 1, 0);
    assert_eq!(wrong, Err(Errno::ERANGE));
    let right = v4l2_ctrl_new_std(&controls, None, V4L2_CID_GAIN, 0, 1, 1, 0);
    assert_eq!(right, Err(Errno::ERANGE), "the first error stays");
    assert_eq!(controls.error(), Some(Errno::ERANGE));
}

/// G_, S_ or TRY_EXT_CTRLS: the result, the index that is told, the values.
fn ext(
    file: &OpenFile,
    cmd: u32,
    which: u32,
    array: &[(u32, i32)],
) -> (Result<i32>, u32, Vec<i32>) {
    let mut program = Process::new();
    let array: Vec<V4l2ExtControl> = array
        .iter()
        .map(|(id, value)| V4l2ExtControl {
            id: *id,
            value: *value,
            ..V4l2ExtControl::default()
        })
        .collect();
    let at = program.map(array.as_bytes().to_vec());
    let controls = V4l2ExtControls {
        which,
        count: array.len() as u32,
        controls: at,
        ..V4l2ExtControls::default()
    };
    let arg = program.map(controls.as_bytes().to_vec());
    let result = file.ioctl(cmd, arg, &mut program);
    let controls = V4l2ExtControls::read_from_bytes(program.bytes(arg)).unwrap();
    assert_eq!(controls.controls, at, "the pointer is the program's again");
    let values = program
        .bytes(at)
        .chunks_exact(size_of::<V4l2ExtControl>())
        .map(|bytes| V4l2ExtControl::read_from_bytes(bytes).unwrap().value)
        .collect();
    (result, controls.error_idx, values)
}

#[test]
fn several_controls_at_once_tell_which_one_failed() {
    let rig = Rig::silent();
    let file = rig.file();
    let (b, c, missing) = (V4L2_CID_BRIGHTNESS, V4L2_CID_USER_CLASS, V4L2_CID_GAIN);
    let user = V4L2_CTRL_CLASS_USER;
    type Row<'a> = (u32, u32, &'a [(u32, i32)], Result<i32>, u32, &'a [i32]);
    let table: &[Row<'_>] = &[
        (VIDIOC_S_EXT_CTRLS, 0, &[(b, 300)], Ok(0), 0, &[255]),
        (VIDIOC_G_EXT_CTRLS, user, &[(b, 0)], Ok(0), 0, &[255]),
        (VIDIOC_TRY_EXT_CTRLS, 0, &[(b, -4)], Ok(0), 0, &[0]),
        (VIDIOC_G_EXT_CTRLS, 0, &[(b, 0)], Ok(0), 0, &[255]),
        (
            VIDIOC_G_EXT_CTRLS,
            V4L2_CTRL_WHICH_DEF_VAL,
            &[(b, 0)],
            Ok(0),
            0,
            &[128],
        ),
        // Nothing was set: the index is the count.
        (
            VIDIOC_S_EXT_CTRLS,
            0,
            &[(b, 1), (missing, 1)],
            Err(Errno::EINVAL),
            2,
            &[1, 1],
        ),
        (
            VIDIOC_TRY_EXT_CTRLS,
            0,
            &[(b, 1), (missing, 1)],
            Err(Errno::EINVAL),
            1,
            &[1, 1],
        ),
        (
            VIDIOC_S_EXT_CTRLS,
            0,
            &[(c, 1)],
            Err(Errno::EACCES),
            1,
            &[1],
        ),
        (
            VIDIOC_G_EXT_CTRLS,
            0,
            &[(c, 1)],
            Err(Errno::EACCES),
            1,
            &[1],
        ),
        (
            VIDIOC_S_EXT_CTRLS,
            V4L2_CTRL_WHICH_DEF_VAL,
            &[(b, 1)],
            Err(Errno::EINVAL),
            1,
            &[1],
        ),
        (
            VIDIOC_G_EXT_CTRLS,
            V4L2_CTRL_CLASS_CAMERA,
            &[(b, 1)],
            Err(Errno::EINVAL),
            1,
            &[1],
        ),
        // None at all: is there such a class?
        (VIDIOC_G_EXT_CTRLS, user, &[], Ok(0), 0, &[]),
        (
            VIDIOC_G_EXT_CTRLS,
            V4L2_CTRL_CLASS_CAMERA,
            &[],
            Err(Errno::EINVAL),
            0,
            &[],
        ),
    ];
    for (cmd, which, array, result, index, values) in table {
        let found = ext(&file, *cmd, *which, array);
        assert_eq!(
            found,
            (*result, *index, values.to_vec()),
            "{cmd:#x} {which:#x} {array:?}"
        );
    }
    assert_eq!(ctrl(&file, b), Ok(255));
}

#[test]
fn arrays_that_are_too_long_or_not_there_are_refused() {
    let rig = Rig::silent();
    let file = rig.file();
    let mut controls = V4l2ExtControls {
        count: 1025,
        ..V4l2ExtControls::default()
    };
    let result = ioctl(&file, VIDIOC_G_EXT_CTRLS, &mut controls);
    assert_eq!(result, Err(Errno::EINVAL));
    controls.count = 1;
    let result = ioctl(&file, VIDIOC_G_EXT_CTRLS, &mut controls);
    assert_eq!(result, Err(Errno::EFAULT));
}
