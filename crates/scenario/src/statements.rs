//! The table of statements.

use crate::kind::Kind as K;
use crate::language::{Keyword, Param, Returns, Statement};
use Param::{
    Action, ActionData, AnyDevice, AnyDriver, Counted, DeviceOrNull, GroupId, IoctlNumber,
    LinkFlags, Match, Named, New, Number, OneOf, OpenFlags, PlatformId, Release, Text, Value, Word,
};
use Returns::{Int, NoStep, Nothing, Pointer};

const YES_NO: &[&str] = &["yes", "no"];

macro_rules! statements {
    ($($(#[doc = $doc:literal])+ $op:ident $word:literal ($($param:expr),* $(,)?)
       $({ $($key:ident: $value:expr $(, $required:ident)?);* $(;)? })? -> $returns:expr;)*) => {
        /// Every statement; the manual in `docs/scenario.md` says what each does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Op {
            $($(#[doc = $doc])+ $op,)*
        }

        /// The table of statements.
        pub static STATEMENTS: &[Statement] = &[
            $(Statement {
                op: Op::$op,
                word: $word,
                params: &[$($param),*],
                keywords: &[$($(Keyword {
                    key: stringify!($key),
                    value: $value,
                    required: false $(|| stringify!($required).len() > 0)?,
                }),*)?],
                returns: $returns,
            },)*
        ];
    };
}

statements! {
    // Declarations.
    /// A device of the scenario's own: `device_initialize`, name `lf-TAG`, tracked.
    Device "device" (New(K::Device)) {
        name: Text("the device's name"); parent: AnyDevice; bus: Named(K::Bus);
        class: Named(K::Class); devt: Named(K::Devt); type: OneOf("a device type", &["lf", "none"]);
    } -> NoStep;
    /// `platform_device_alloc`, tracked.
    PlatformDevice "platform_device" (New(K::Platform), Text("the device's name"), PlatformId) {
        parent: AnyDevice
    } -> NoStep;
    /// A bus, not yet registered.
    Bus "bus" (New(K::Bus), Text("the bus's name")) {
        match: OneOf("a match rule", &["prefix", "name", "any", "none"]), required;
        trace: OneOf("whether a match is printed", YES_NO);
    } -> NoStep;
    /// A driver, not yet registered.
    Driver "driver" (New(K::Driver), Text("the driver's name")) {
        bus: Named(K::Bus), required; probe: Named(K::Probe); remove: Named(K::Remove);
        trace: OneOf("whether probe and remove are printed", YES_NO);
        suppress_bind_attrs: OneOf("whether it has no bind and unbind", YES_NO);
    } -> NoStep;
    /// A platform driver, not yet registered.
    PlatformDriver "platform_driver" (New(K::PlatformDriver), Text("the driver's name")) {
        probe: Named(K::Probe); remove: Named(K::Remove);
        trace: OneOf("whether probe and remove are printed", YES_NO);
        suppress_bind_attrs: OneOf("whether it has no bind and unbind", YES_NO);
    } -> NoStep;
    /// Sets what a driver's probe returns from now on, whatever its body says.
    ProbeReturns "probe_returns" (AnyDriver, Value) -> NoStep;
    /// A `struct file_operations`.
    FileOperations "file_operations" (New(K::FileOperations)) {
        open: Named(K::Hook); read: Named(K::Hook); write: Named(K::Hook);
        ioctl: Named(K::Hook); release: Named(K::Hook);
    } -> NoStep;
    /// A `struct iio_buffer_setup_ops`.
    IioSetupOps "iio_buffer_setup_ops" (New(K::IioSetupOps)) {
        preenable: Named(K::Hook); postenable: Named(K::Hook);
        predisable: Named(K::Hook); postdisable: Named(K::Hook);
    } -> NoStep;
    /// A `struct drm_driver` with `DRIVER_GEM`.
    DrmDriver "drm_driver" (New(K::DrmDriver), Text("the driver's name")) {
        open: Named(K::Hook); postclose: Named(K::Hook); lastclose: Named(K::Hook);
        unload: Named(K::Hook); release: Named(K::Hook); ioctl: Named(K::Hook);
    } -> NoStep;
    /// A static `struct drm_bridge` that counts as freed with the device's memory.
    DrmBridge "drm_bridge" (New(K::DrmBridge), AnyDevice) {
        attach: Named(K::Hook); detach: Named(K::Hook); detect: Named(K::Hook);
    } -> NoStep;
    /// A `struct v4l2_device`, not yet registered.
    V4l2Device "v4l2_device" (New(K::V4l2Device)) {
        name: Text("its name"); release: Named(K::Hook);
    } -> NoStep;
    /// `video_device_alloc`, filled in, not yet registered.
    VideoDevice "video_device" (New(K::Video), Named(K::V4l2Device)) {
        open: Named(K::Hook); close: Named(K::Hook); release: Named(K::Hook);
    } -> NoStep;
    /// A `struct cec_adap_ops`.
    CecOps "cec_adap_ops" (New(K::CecOps)) {
        adap_enable: Named(K::Hook); adap_log_addr: Named(K::Hook);
        adap_transmit: Named(K::Hook); adap_free: Named(K::Hook);
    } -> NoStep;
    /// `cdev_init`.
    CdevInit "cdev_init" (New(K::Cdev), Named(K::FileOperations)) -> NoStep;

    // Lines of the trace.
    /// Gives a device its tag: from here on the trace sees it.
    Track "track" (AnyDevice) -> NoStep;
    /// Prints a reference count.
    Ref "ref" (Counted) -> NoStep;
    /// Prints a device's driver, driver data and registration.
    Bound "bound" (AnyDevice) -> NoStep;
    /// Prints whether an IIO device has its `info`, unless it is released.
    Info "info" (Named(K::Iio)) -> NoStep;
    /// Prints whether a DRM device can be entered, unless it is released.
    DrmDevEnter "drm_dev_enter" (Named(K::Drm)) -> NoStep;
    /// Prints a line.
    Print "print" (Text("the line")) -> NoStep;
    /// Prints a `note:`, which no comparison looks at.
    Note "note" (Text("the note")) -> NoStep;
    /// Ends a body with a value.
    Return "return" (Value) -> NoStep;
    /// Ends a body with a value the Nth time it runs.
    ReturnNth "return_nth" (Number("which run of the body"), Value) -> NoStep;

    // drivers/base/core.c
    /// `device_add`.
    DeviceAdd "device_add" (AnyDevice) -> Int;
    /// `device_del`.
    DeviceDel "device_del" (AnyDevice) -> Nothing;
    /// `device_unregister`.
    DeviceUnregister "device_unregister" (AnyDevice) -> Nothing;
    /// `get_device`.
    GetDevice "get_device" (AnyDevice) -> Nothing;
    /// `put_device`.
    PutDevice "put_device" (AnyDevice) -> Nothing;
    /// `dev_set_name`.
    DevSetName "dev_set_name" (AnyDevice, Text("the new name")) -> Int;
    /// `dev_set_drvdata`.
    DevSetDrvdata "dev_set_drvdata" (AnyDevice, OneOf("driver data", &["set", "NULL"])) -> Nothing;
    /// `device_for_each_child`.
    DeviceForEachChild "device_for_each_child" (AnyDevice, Named(K::Each)) -> Int;
    /// `device_for_each_child_reverse`.
    DeviceForEachChildReverse "device_for_each_child_reverse" (AnyDevice, Named(K::Each)) -> Int;
    /// `device_find_child_by_name`.
    DeviceFindChildByName "device_find_child_by_name" (AnyDevice, Text("the child's name"))
        -> Pointer(Some(K::Device));
    /// `device_move`.
    DeviceMove "device_move" (AnyDevice, DeviceOrNull) -> Int;
    /// `device_rename`.
    DeviceRename "device_rename" (AnyDevice, Text("the new name")) -> Int;
    /// `device_link_add`.
    DeviceLinkAdd "device_link_add" (AnyDevice, AnyDevice, LinkFlags)
        -> Pointer(Some(K::DeviceLink));
    /// `device_link_del`.
    DeviceLinkDel "device_link_del" (Named(K::DeviceLink)) -> Nothing;
    /// `device_link_remove`.
    DeviceLinkRemove "device_link_remove" (AnyDevice, AnyDevice) -> Nothing;
    /// `root_device_register`.
    RootDeviceRegister "root_device_register" (Text("the device's name")) -> Pointer(Some(K::Root));
    /// `root_device_unregister`.
    RootDeviceUnregister "root_device_unregister" (Named(K::Root)) -> Nothing;

    // drivers/base/bus.c, driver.c, dd.c, class.c
    /// `bus_register`.
    BusRegister "bus_register" (Named(K::Bus)) -> Int;
    /// `bus_unregister`.
    BusUnregister "bus_unregister" (Named(K::Bus)) -> Nothing;
    /// `bus_register_notifier`: from here on the bus's notifications are printed.
    BusRegisterNotifier "bus_register_notifier" (Named(K::Bus)) -> Int;
    /// `bus_unregister_notifier`.
    BusUnregisterNotifier "bus_unregister_notifier" (Named(K::Bus)) -> Int;
    /// `bus_rescan_devices`.
    BusRescanDevices "bus_rescan_devices" (Named(K::Bus)) -> Int;
    /// `driver_register`.
    DriverRegister "driver_register" (AnyDriver) -> Int;
    /// `driver_unregister`.
    DriverUnregister "driver_unregister" (AnyDriver) -> Nothing;
    /// `driver_attach`.
    DriverAttach "driver_attach" (AnyDriver) -> Int;
    /// `device_attach`.
    DeviceAttach "device_attach" (AnyDevice) -> Int;
    /// `device_driver_attach`.
    DeviceDriverAttach "device_driver_attach" (AnyDriver, AnyDevice) -> Int;
    /// `device_release_driver`.
    DeviceReleaseDriver "device_release_driver" (AnyDevice) -> Nothing;
    /// `device_reprobe`.
    DeviceReprobe "device_reprobe" (AnyDevice) -> Int;
    /// `class_create`.
    ClassCreate "class_create" (Text("the class's name")) -> Pointer(Some(K::Class));
    /// `class_destroy`.
    ClassDestroy "class_destroy" (Named(K::Class)) -> Nothing;

    // drivers/base/platform.c
    /// `platform_device_add`.
    PlatformDeviceAdd "platform_device_add" (Named(K::Platform)) -> Int;
    /// `platform_device_put`.
    PlatformDevicePut "platform_device_put" (Named(K::Platform)) -> Nothing;
    /// `platform_device_unregister`.
    PlatformDeviceUnregister "platform_device_unregister" (Named(K::Platform)) -> Nothing;
    /// `platform_driver_register`.
    PlatformDriverRegister "platform_driver_register" (Named(K::PlatformDriver)) -> Int;
    /// `platform_driver_unregister`.
    PlatformDriverUnregister "platform_driver_unregister" (Named(K::PlatformDriver)) -> Nothing;

    // drivers/base/devres.c
    /// `devm_add_action`.
    DevmAddAction "devm_add_action" (AnyDevice, Action, ActionData) -> Int;
    /// `devm_add_action_or_reset`.
    DevmAddActionOrReset "devm_add_action_or_reset" (AnyDevice, Action, ActionData) -> Int;
    /// `devm_remove_action`.
    DevmRemoveAction "devm_remove_action" (AnyDevice, Action, ActionData) -> Nothing;
    /// `devm_release_action`.
    DevmReleaseAction "devm_release_action" (AnyDevice, Action, ActionData) -> Nothing;
    /// `devm_kzalloc`.
    DevmKzalloc "devm_kzalloc" (AnyDevice, Number("bytes")) -> Pointer(Some(K::Memory));
    /// `devm_krealloc`.
    DevmKrealloc "devm_krealloc" (AnyDevice, Named(K::Memory), Number("bytes"))
        -> Pointer(Some(K::Memory));
    /// `devm_kstrdup`.
    DevmKstrdup "devm_kstrdup" (AnyDevice, Text("the string")) -> Pointer(Some(K::Memory));
    /// `devm_kfree`.
    DevmKfree "devm_kfree" (AnyDevice, Named(K::Memory)) -> Nothing;
    /// `devres_alloc`.
    DevresAlloc "devres_alloc" (Release, Word("what the devres carries"))
        -> Pointer(Some(K::Devres));
    /// `devres_free`.
    DevresFree "devres_free" (Named(K::Devres)) -> Nothing;
    /// `devres_add`.
    DevresAdd "devres_add" (AnyDevice, Named(K::Devres)) -> Nothing;
    /// `devres_find`.
    DevresFind "devres_find" (AnyDevice, Release, Match) -> Pointer(Some(K::Found));
    /// `devres_get`: finds one that carries the same word, or adds this one.
    DevresGet "devres_get" (AnyDevice, Named(K::Devres), Match) -> Pointer(Some(K::Found));
    /// `devres_remove`.
    DevresRemove "devres_remove" (AnyDevice, Release, Match) -> Pointer(Some(K::Devres));
    /// `devres_destroy`.
    DevresDestroy "devres_destroy" (AnyDevice, Release, Match) -> Int;
    /// `devres_release`.
    DevresRelease "devres_release" (AnyDevice, Release, Match) -> Int;
    /// `devres_open_group`.
    DevresOpenGroup "devres_open_group" (AnyDevice, GroupId) -> Pointer(Some(K::Group));
    /// `devres_close_group`.
    DevresCloseGroup "devres_close_group" (AnyDevice, GroupId) -> Nothing;
    /// `devres_remove_group`.
    DevresRemoveGroup "devres_remove_group" (AnyDevice, GroupId) -> Nothing;
    /// `devres_release_group`.
    DevresReleaseGroup "devres_release_group" (AnyDevice, GroupId) -> Int;
    /// `devres_release_all`; 1 if it released anything.
    DevresReleaseAll "devres_release_all" (AnyDevice) -> Int;
    /// Makes the Nth allocation from here fail; 0 takes that back.
    FailNth "fail_nth" (Number("which allocation from here fails; 0 for none")) -> NoStep;

    // Character devices and files.
    /// `alloc_chrdev_region` of one number.
    AllocChrdevRegion "alloc_chrdev_region" (New(K::Devt), Text("the name of the range")) -> Int;
    /// `unregister_chrdev_region`.
    UnregisterChrdevRegion "unregister_chrdev_region" (Named(K::Devt)) -> Nothing;
    /// `cdev_device_add`.
    CdevDeviceAdd "cdev_device_add" (Named(K::Cdev), AnyDevice) -> Int;
    /// `cdev_device_del`.
    CdevDeviceDel "cdev_device_del" (Named(K::Cdev), AnyDevice) -> Nothing;
    /// Opens a node.
    Open "open" (Text("the node's path"), OpenFlags) -> Pointer(Some(K::File));
    /// Reads from an open file.
    Read "read" (Named(K::File), Number("bytes")) -> Int;
    /// Writes a string to an open file.
    Write "write" (Named(K::File), Text("what is written")) -> Int;
    /// Polls an open file: the mask of what it is ready for.
    Poll "poll" (Named(K::File)) -> Int;
    /// An ioctl with an argument that points nowhere.
    Ioctl "ioctl" (Named(K::File), IoctlNumber) -> Int;
    /// Closes an open file: its last close.
    Close "close" (Named(K::File)) -> Nothing;
    /// Starts a thread that reads from a file, and waits until it is blocked or done.
    KthreadRead "kthread_read" (New(K::Thread), Named(K::File), Number("bytes")) -> Nothing;
    /// `wait_for_completion_timeout`: 1 if the thread ended in time, else 0.
    WaitForCompletionTimeout "wait_for_completion_timeout"
        (Named(K::Thread), Number("milliseconds")) -> Int;
    /// Reads an attribute through sysfs and prints what it says.
    SysfsRead "sysfs_read" (AnyDevice, Text("the attribute, from the device's directory")) -> Int;
    /// Writes an attribute through sysfs.
    SysfsWrite "sysfs_write"
        (AnyDevice, Text("the attribute, from the device's directory"), Text("what is written"))
        -> Int;
    /// Reads a file of sysfs and prints what it says.
    ReadFile "read_file" (Text("the file's path")) -> Int;
    /// Writes a file of sysfs, and prints why it could not be opened.
    WriteFile "write_file" (Text("the file's path"), Text("what is written")) -> Int;
    /// Waits until deferred work is done.
    Settle "settle" () -> Nothing;
    /// Waits.
    Msleep "msleep" (Number("milliseconds")) -> Nothing;

    // drivers/iio
    /// `iio_device_alloc`.
    IioDeviceAlloc "iio_device_alloc" (AnyDevice) -> Pointer(Some(K::Iio));
    /// `devm_iio_device_alloc`.
    DevmIioDeviceAlloc "devm_iio_device_alloc" (AnyDevice) -> Pointer(Some(K::Iio));
    /// Fills in an IIO device before it is registered: its name and its `read_raw`.
    IioInfo "iio_info" (Named(K::Iio), Text("the device's name")) -> NoStep;
    /// Adds a voltage channel to an IIO device before it is registered.
    IioVoltageChannel "iio_voltage_channel" (Named(K::Iio), Number("the channel's number")) {
        scan_index: Number("its place in the buffer"); realbits: Number("bits");
        storagebits: Number("bits"); sign: OneOf("a sign", &["u", "s"]);
        datasheet_name: Text("its name in the data sheet");
    } -> NoStep;
    /// `devm_iio_kfifo_buffer_setup`.
    DevmIioKfifoBufferSetup "devm_iio_kfifo_buffer_setup" (AnyDevice, Named(K::Iio)) {
        ops: Named(K::IioSetupOps)
    } -> Int;
    /// `devm_iio_device_register`.
    DevmIioDeviceRegister "devm_iio_device_register" (AnyDevice, Named(K::Iio)) -> Int;
    /// `iio_device_register`.
    IioDeviceRegister "iio_device_register" (Named(K::Iio)) -> Int;
    /// `iio_device_unregister`.
    IioDeviceUnregister "iio_device_unregister" (Named(K::Iio)) -> Nothing;
    /// `iio_device_free`.
    IioDeviceFree "iio_device_free" (Named(K::Iio)) -> Nothing;
    /// `iio_device_get`.
    IioDeviceGet "iio_device_get" (Named(K::Iio)) -> Nothing;
    /// `iio_device_put`.
    IioDevicePut "iio_device_put" (Named(K::Iio)) -> Nothing;

    /// `devm_iio_map_array_register` of one map.
    DevmIioMapArrayRegister "devm_iio_map_array_register"
        (AnyDevice, Named(K::Iio), Text("the channel's name in the data sheet"),
         Text("the consumer's name"), Text("the consumer's name for the channel")) -> Int;
    /// `iio_channel_get`.
    IioChannelGet "iio_channel_get" (AnyDevice, Text("the consumer's name for the channel"))
        -> Pointer(Some(K::IioChannel));
    /// `devm_iio_channel_get`.
    DevmIioChannelGet "devm_iio_channel_get"
        (AnyDevice, Text("the consumer's name for the channel")) -> Pointer(Some(K::IioChannel));
    /// `iio_channel_release`.
    IioChannelRelease "iio_channel_release" (Named(K::IioChannel)) -> Nothing;
    /// `iio_read_channel_raw`.
    IioReadChannelRaw "iio_read_channel_raw" (Named(K::IioChannel)) -> Int;
    /// `iio_read_channel_processed`.
    IioReadChannelProcessed "iio_read_channel_processed" (Named(K::IioChannel)) -> Int;
    /// `iio_read_channel_scale`.
    IioReadChannelScale "iio_read_channel_scale" (Named(K::IioChannel)) -> Int;
    /// `iio_write_channel_raw`.
    IioWriteChannelRaw "iio_write_channel_raw" (Named(K::IioChannel), Number("the raw value"))
        -> Int;

    // drivers/gpu/drm
    /// `devm_drm_dev_alloc`.
    DevmDrmDevAlloc "devm_drm_dev_alloc" (AnyDevice, Named(K::DrmDriver))
        -> Pointer(Some(K::Drm));
    /// The device of a DRM device's card: `drm->primary->kdev`.
    DrmPrimaryKdev "drm_primary_kdev" (Named(K::Drm)) -> Pointer(Some(K::Device));
    /// `drmm_add_action`.
    DrmmAddAction "drmm_add_action" (Named(K::Drm), Action, ActionData) -> Int;
    /// `drmm_add_action_or_reset`.
    DrmmAddActionOrReset "drmm_add_action_or_reset" (Named(K::Drm), Action, ActionData) -> Int;
    /// `drmm_release_action`.
    DrmmReleaseAction "drmm_release_action" (Named(K::Drm), Action, ActionData) -> Nothing;
    /// `drmm_kzalloc`.
    DrmmKzalloc "drmm_kzalloc" (Named(K::Drm), Number("bytes")) -> Pointer(None);
    /// `drm_dev_register`.
    DrmDevRegister "drm_dev_register" (Named(K::Drm)) -> Int;
    /// `drm_dev_unregister`.
    DrmDevUnregister "drm_dev_unregister" (Named(K::Drm)) -> Nothing;
    /// `drm_dev_unplug`.
    DrmDevUnplug "drm_dev_unplug" (Named(K::Drm)) -> Nothing;
    /// `drm_dev_get`.
    DrmDevGet "drm_dev_get" (Named(K::Drm)) -> Nothing;
    /// `drm_dev_put`.
    DrmDevPut "drm_dev_put" (Named(K::Drm)) -> Nothing;

    /// `devm_drm_bridge_add`.
    DevmDrmBridgeAdd "devm_drm_bridge_add" (AnyDevice, Named(K::DrmBridge)) -> Int;
    /// `drmm_encoder_init`.
    DrmmEncoderInit "drmm_encoder_init" (New(K::DrmEncoder), Named(K::Drm)) -> Int;
    /// `drm_bridge_attach`, first in the chain.
    DrmBridgeAttach "drm_bridge_attach" (Named(K::DrmEncoder), Named(K::DrmBridge)) -> Int;
    /// `drm_bridge_detect`.
    DrmBridgeDetect "drm_bridge_detect" (Named(K::DrmBridge)) -> Int;

    // drivers/media/v4l2-core
    /// `v4l2_device_register`.
    V4l2DeviceRegister "v4l2_device_register" (AnyDevice, Named(K::V4l2Device)) -> Int;
    /// `v4l2_device_get`.
    V4l2DeviceGet "v4l2_device_get" (Named(K::V4l2Device)) -> Nothing;
    /// `v4l2_device_put`: 1 if it was the last reference.
    V4l2DevicePut "v4l2_device_put" (Named(K::V4l2Device)) -> Int;
    /// `v4l2_device_disconnect`.
    V4l2DeviceDisconnect "v4l2_device_disconnect" (Named(K::V4l2Device)) -> Nothing;
    /// `v4l2_device_unregister`.
    V4l2DeviceUnregister "v4l2_device_unregister" (Named(K::V4l2Device)) -> Nothing;
    /// `video_register_device` of a `videoN`.
    VideoRegisterDevice "video_register_device" (Named(K::Video)) -> Int;
    /// `video_unregister_device`.
    VideoUnregisterDevice "video_unregister_device" (Named(K::Video)) -> Nothing;

    // drivers/media/cec
    /// `cec_allocate_adapter` with `CEC_CAP_DEFAULTS` and one logical address.
    CecAllocateAdapter "cec_allocate_adapter" (Named(K::CecOps), Text("the adapter's name"))
        -> Pointer(Some(K::Cec));
    /// `cec_register_adapter`.
    CecRegisterAdapter "cec_register_adapter" (Named(K::Cec), AnyDevice) -> Int;
    /// `cec_unregister_adapter`.
    CecUnregisterAdapter "cec_unregister_adapter" (Named(K::Cec)) -> Nothing;
    /// `cec_delete_adapter`.
    CecDeleteAdapter "cec_delete_adapter" (Named(K::Cec)) -> Nothing;

    // lib/kunit
    /// `kunit_add_resource` with a free function that prints the word.
    KunitAddResource "kunit_add_resource" (Word("what the resource carries")) -> Int;
    /// `kunit_add_named_resource`.
    KunitAddNamedResource "kunit_add_named_resource"
        (Text("the resource's name"), Word("what it carries")) -> Int;
    /// `kunit_destroy_named_resource`.
    KunitDestroyNamedResource "kunit_destroy_named_resource" (Text("the resource's name")) -> Int;
    /// `kunit_add_action`.
    KunitAddAction "kunit_add_action" (Action, ActionData) -> Int;
    /// `kunit_add_action_or_reset`.
    KunitAddActionOrReset "kunit_add_action_or_reset" (Action, ActionData) -> Int;
    /// `kunit_remove_action`.
    KunitRemoveAction "kunit_remove_action" (Action, ActionData) -> Nothing;
    /// `kunit_release_action`.
    KunitReleaseAction "kunit_release_action" (Action, ActionData) -> Nothing;
    /// `kunit_kzalloc`.
    KunitKzalloc "kunit_kzalloc" (Number("bytes")) -> Pointer(None);
    /// `kunit_driver_create`.
    KunitDriverCreate "kunit_driver_create" (Text("the driver's name"))
        -> Pointer(Some(K::KunitDriver));
    /// Gives a KUnit driver its probe and remove.
    KunitDriverOps "kunit_driver_ops" (Named(K::KunitDriver)) {
        probe: Named(K::Probe); remove: Named(K::Remove);
    } -> NoStep;
    /// `kunit_device_register`.
    KunitDeviceRegister "kunit_device_register" (Text("the device's name"))
        -> Pointer(Some(K::KunitDevice));
    /// `kunit_device_register_with_driver`.
    KunitDeviceRegisterWithDriver "kunit_device_register_with_driver"
        (Text("the device's name"), Named(K::KunitDriver)) -> Pointer(Some(K::KunitDevice));
    /// `kunit_device_unregister`.
    KunitDeviceUnregister "kunit_device_unregister" (Named(K::KunitDevice)) -> Nothing;
    /// `KUNIT_ASSERT_EQ`: ends the case when the two differ.
    KunitAssertEq "kunit_assert_eq" (Value, Value) -> NoStep;
}
