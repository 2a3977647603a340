/* SPDX-License-Identifier: MIT */
#ifndef PRECARIUM_DEVICE_LINE_H
#define PRECARIUM_DEVICE_LINE_H

#include "device/queue.h"

/*
 * Who is served next.  In the line of a loop are the lanes to stores, in that
 * of a lane its devices, by their parts, and in that of a part its queues, as
 * far as there may be something to serve; who was served goes to the end.  So
 * an export gets no more of a thread for having more clients, and a client no
 * more for having more queues.
 */

/* The queue may have something.  It is in no line. */
void line_join(struct queue *queue);

/* Take it out, if it is in line. */
void line_leave(struct queue *queue);

/* The next of each line, taken out of it; NULL: none.  A lane or part that
 * still has something returns by its line_return, unless a queue of it has
 * joined meanwhile. */
struct lane *line_next_lane(struct loop *loop);
struct device_part *line_next_part(struct lane *lane);
struct queue *line_next_queue(struct device_part *part);
void line_return_lane(struct loop *loop, struct lane *lane);
void line_return_part(struct lane *lane, struct device_part *part);

/* The lane, which is not throttled, stays out of line for so long, because its
 * export is limited; line_release puts it back before. */
void line_throttle(struct loop *loop, struct lane *lane, uint32_t wait_us);
void line_release(struct loop *loop, struct lane *lane);
/* Put back the lanes that have waited long enough. */
void line_release_due(struct loop *loop);
/* Milliseconds until the next is due; -1: none waits. */
int line_due_ms(const struct loop *loop);

#endif
