/*
 * listen: says what libudev's group tells of devices that have a node, a line each,
 * until it is ended.
 */
#include <libudev.h>
#include <poll.h>
#include <stdio.h>

int main(void)
{
	struct udev *udev = udev_new();
	struct udev_monitor *monitor = udev_monitor_new_from_netlink(udev, "udev");
	struct pollfd watched = { .events = POLLIN };

	if (!monitor || udev_monitor_enable_receiving(monitor) < 0) {
		perror("monitor");
		return 1;
	}
	watched.fd = udev_monitor_get_fd(monitor);
	puts("listening");
	fflush(stdout);
	while (poll(&watched, 1, -1) == 1) {
		struct udev_device *device = udev_monitor_receive_device(monitor);

		if (!device) {
			perror("receive");
			return 1;
		}
		if (udev_device_get_devnode(device)) {
			printf("%s %s %s\n", udev_device_get_action(device),
			       udev_device_get_subsystem(device),
			       udev_device_get_devnode(device));
			fflush(stdout);
		}
		udev_device_unref(device);
	}
	return 1;
}
