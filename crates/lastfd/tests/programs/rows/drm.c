/* A card whose CRTC is on, with a dumb buffer that is mapped. */
#include "rows.h"

#if __has_include(<drm/drm.h>)
#include <drm/drm.h>
#else
#include <libdrm/drm.h>
#endif
#include <linux/videodev2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static __u32 handle;

static int create(int fd, struct drm_mode_create_dumb *made)
{
	*made = (struct drm_mode_create_dumb){ .width = 64, .height = 64, .bpp = 32 };
	return ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, made);
}

static int where(int fd, __u64 *offset)
{
	struct drm_mode_map_dumb map = { .handle = handle };
	int result = ioctl(fd, DRM_IOCTL_MODE_MAP_DUMB, &map);

	*offset = map.offset;
	return result;
}

static int wait_for_vblank(int fd, unsigned int ahead)
{
	union drm_wait_vblank wait = {
		.request = { .type = _DRM_VBLANK_RELATIVE, .sequence = ahead },
	};

	return ioctl(fd, DRM_IOCTL_WAIT_VBLANK, &wait);
}

static int ask_for_an_event(int fd)
{
	union drm_wait_vblank wait = {
		.request = {
			.type = _DRM_VBLANK_RELATIVE | _DRM_VBLANK_EVENT,
			.sequence = 1,
		},
	};

	return ioctl(fd, DRM_IOCTL_WAIT_VBLANK, &wait);
}

static void begin(struct held *held)
{
	struct drm_mode_create_dumb made;
	__u64 offset;

	held->known = DRM_IOCTL_VERSION;
	held->foreign = VIDIOC_QUERYCAP;
	must(create(held->fd, &made), "create a buffer");
	handle = made.handle;
	must(where(held->fd, &offset), "ask where to map it");
	held->map_length = made.size;
	held->map_offset = (long)offset;
	held->mapping = mmap(NULL, held->map_length, PROT_READ | PROT_WRITE, MAP_SHARED,
			     held->fd, held->map_offset);
	must(held->mapping == MAP_FAILED ? -1 : 0, "map it");
}

static void export(int fd)
{
	struct drm_prime_handle prime = { .handle = handle };
	int result = ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);

	say_ok(result);
	if (result == 0)
		close(prime.fd);
}

static bool call(struct held *held, const char *operation)
{
	struct drm_get_cap cap = { .capability = DRM_CAP_DUMB_BUFFER };
	struct drm_mode_create_dumb made;
	char argument[512] = { 0 };
	int fd = held->fd;
	__u64 offset;

#define IS(name) (!strcmp(operation, name))
	if (IS("ioctl unknown core nr"))
		say_ok(ioctl(fd, DRM_IOWR(0xff, __u64), argument));
	else if (IS("ioctl unknown driver nr"))
		say_ok(ioctl(fd, DRM_IOWR(0x7f, __u64), argument));
	else if (IS("bring an event about"))
		say_ok(ask_for_an_event(fd));
	else if (IS("GET_CAP"))
		say_ok(ioctl(fd, DRM_IOCTL_GET_CAP, &cap));
	else if (IS("CREATE_DUMB"))
		say_ok(create(fd, &made));
	else if (IS("MAP_DUMB"))
		say_ok(where(fd, &offset));
	else if (IS("PRIME_HANDLE_TO_FD"))
		export(fd);
	else if (IS("WAIT_VBLANK +1"))
		say_ok(wait_for_vblank(fd, 1));
	else if (IS("WAIT_VBLANK query"))
		say_ok(wait_for_vblank(fd, 0));
	else if (IS("sleep in WAIT_VBLANK"))
		say_ok(wait_for_vblank(fd, 150));
	else if (IS("DROP_MASTER")) {
		say_ok(ioctl(fd, DRM_IOCTL_DROP_MASTER, 0));
		/* Taken back, so that it can be dropped again. */
		ioctl(fd, DRM_IOCTL_SET_MASTER, 0);
	} else if (IS("SET_MASTER"))
		say_ok(ioctl(fd, DRM_IOCTL_SET_MASTER, 0));
	else
		return false;
	return true;
}

const struct kind drm = { "drm", begin, call };
