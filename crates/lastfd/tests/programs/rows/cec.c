/* A CEC adapter that has its logical address. */
#include "rows.h"

#include <fcntl.h>
#include <linux/cec.h>
#include <linux/cec-funcs.h>
#include <linux/videodev2.h>
#include <string.h>
#include <sys/ioctl.h>

static void begin(struct held *held)
{
	struct cec_log_addrs wanted = {
		.num_log_addrs = 1,
		.cec_version = CEC_OP_CEC_VERSION_1_4,
		.vendor_id = CEC_VENDOR_ID_NONE,
		.primary_device_type = { CEC_OP_PRIM_DEVTYPE_PLAYBACK },
		.log_addr_type = { CEC_LOG_ADDR_TYPE_PLAYBACK },
		.osd_name = "rows",
	};
	struct cec_event event;
	int flags = fcntl(held->fd, F_GETFL);

	held->known = CEC_ADAP_G_CAPS;
	held->unknown = _IO('a', 0xff);
	held->foreign = VIDIOC_QUERYCAP;
	must(ioctl(held->fd, CEC_ADAP_S_LOG_ADDRS, &wanted), "claim an address");
	/* The events so far are not of the removal. */
	fcntl(held->fd, F_SETFL, flags | O_NONBLOCK);
	while (ioctl(held->fd, CEC_DQEVENT, &event) == 0)
		;
	fcntl(held->fd, F_SETFL, flags);
}

static struct cec_msg image_view_on(void)
{
	struct cec_msg message;

	cec_msg_init(&message, CEC_LOG_ADDR_PLAYBACK_1, CEC_LOG_ADDR_TV);
	cec_msg_image_view_on(&message);
	return message;
}

static void say_event(int fd)
{
	struct cec_event event;

	if (ioctl(fd, CEC_DQEVENT, &event) < 0)
		say("%s", error_name(errno));
	else if (event.event == CEC_EVENT_STATE_CHANGE)
		say("STATE_CHANGE of %04x, %04x", event.state_change.phys_addr,
		    event.state_change.log_addr_mask);
	else
		say("event %u", event.event);
}

/* A message whose answer is waited for. */
static void transmit_and_wait(int fd)
{
	struct cec_msg message;

	cec_msg_init(&message, CEC_LOG_ADDR_PLAYBACK_1, CEC_LOG_ADDR_TV);
	cec_msg_give_device_power_status(&message, 1);
	message.timeout = 5000;
	if (ioctl(fd, CEC_TRANSMIT, &message) < 0)
		say("%s", error_name(errno));
	else
		say("0 with tx_status %02x rx_status %02x", message.tx_status,
		    message.rx_status);
}

static bool call(struct held *held, const char *operation)
{
	struct cec_msg message = image_view_on();
	struct cec_log_addrs addresses;
	__u32 follow = CEC_MODE_INITIATOR | CEC_MODE_FOLLOWER;
	__u32 mode = CEC_MODE_INITIATOR;
	__u16 place;
	int fd = held->fd;

#define IS(name) (!strcmp(operation, name))
	if (IS("G_PHYS_ADDR"))
		say_ok(ioctl(fd, CEC_ADAP_G_PHYS_ADDR, &place));
	else if (IS("G_LOG_ADDRS"))
		say_ok(ioctl(fd, CEC_ADAP_G_LOG_ADDRS, &addresses));
	else if (IS("G_MODE"))
		say_ok(ioctl(fd, CEC_G_MODE, &mode));
	else if (IS("S_MODE"))
		say_ok(ioctl(fd, CEC_S_MODE, &mode));
	else if (IS("follow"))
		say_ok(ioctl(fd, CEC_S_MODE, &follow));
	else if (IS("TRANSMIT"))
		say_ok(ioctl(fd, CEC_TRANSMIT, &message));
	else if (IS("RECEIVE 100ms")) {
		message.timeout = 100;
		say_ok(ioctl(fd, CEC_RECEIVE, &message));
	} else if (IS("DQEVENT") || IS("DQEVENT 2") || IS("sleep in DQEVENT"))
		say_event(fd);
	else if (IS("sleep in RECEIVE")) {
		message.timeout = 0;
		say_ok(ioctl(fd, CEC_RECEIVE, &message));
	} else if (IS("sleep in TRANSMIT"))
		transmit_and_wait(fd);
	else
		return false;
	return true;
}

const struct kind cec = { "cec", begin, call };
