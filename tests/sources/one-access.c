// SPDX-License-Identifier: MIT
/* Each accessor alone, for accessors-are-one-instruction to look at. */
#include "virtio/lent.h"

#define ALONE(name, parameters, arguments)                                     \
	enum prec_status alone_##name parameters;                              \
	enum prec_status alone_##name parameters                               \
	{                                                                      \
		return name arguments;                                         \
	}
#define WHERE const struct prec_space *space, struct prec_span span
#define TABLE const struct prec_space *space, const struct lent_pieces *pieces

ALONE(lent_load16, (WHERE, uint64_t offset, uint16_t *out),
      (space, span, offset, out))
ALONE(lent_load_desc, (WHERE, uint32_t index, struct virtq_desc *out),
      (space, span, index, out))
ALONE(lent_load_table, (TABLE, uint32_t count, struct virtq_desc *out),
      (space, pieces, count, out))
ALONE(lent_load_header, (WHERE, struct virtio_blk_req_header *out),
      (space, span, out))
ALONE(lent_load_bytes, (WHERE, uint32_t count, uint8_t *bytes, uint32_t at),
      (space, span, count, bytes, at))
ALONE(lent_store8, (WHERE, uint64_t offset, uint8_t value),
      (space, span, offset, value))
ALONE(lent_store16, (WHERE, uint64_t offset, uint16_t value),
      (space, span, offset, value))
ALONE(lent_store_used, (WHERE, uint32_t slot, struct virtq_used_elem elem),
      (space, span, slot, elem))
ALONE(lent_load_packed, (WHERE, uint32_t index, struct pvirtq_desc *out),
      (space, span, index, out))
ALONE(lent_load_packed_table, (TABLE, uint32_t count, struct pvirtq_desc *out),
      (space, pieces, count, out))
ALONE(lent_store_packed, (WHERE, uint32_t index, uint32_t len, uint16_t id),
      (space, span, index, len, id))
ALONE(prec_raw_load8, (uint64_t host, uint8_t *out), (host, out))
ALONE(prec_raw_load16, (uint64_t host, uint16_t *out), (host, out))
ALONE(prec_raw_load32, (uint64_t host, uint32_t *out), (host, out))
ALONE(prec_raw_load64, (uint64_t host, uint64_t *out), (host, out))
ALONE(prec_raw_store8, (uint64_t host, uint8_t value), (host, value))
ALONE(prec_raw_store16, (uint64_t host, uint16_t value), (host, value))
ALONE(prec_raw_store32, (uint64_t host, uint32_t value), (host, value))
ALONE(prec_raw_store64, (uint64_t host, uint64_t value), (host, value))

/* What is ours is stored before an access and after it, and the compiler may
 * neither join the two nor move one across. */
#define BETWEEN(name, parameters, arguments)                                   \
	enum prec_status between_##name(uint32_t *ours, uint64_t host,         \
					parameters);                           \
	enum prec_status between_##name(uint32_t *ours, uint64_t host,         \
					parameters)                            \
	{                                                                      \
		enum prec_status status;                                       \
                                                                               \
		*ours = 1;                                                     \
		status = name arguments;                                       \
		*ours = 2;                                                     \
		return status;                                                 \
	}
#define FENCED(name)                                                           \
	void between_##name(uint32_t *ours);                                   \
	void between_##name(uint32_t *ours)                                    \
	{                                                                      \
		*ours = 1;                                                     \
		name();                                                        \
		*ours = 2;                                                     \
	}

BETWEEN(prec_raw_load8, uint8_t *out, (host, out))
BETWEEN(prec_raw_load16, uint16_t *out, (host, out))
BETWEEN(prec_raw_load32, uint32_t *out, (host, out))
BETWEEN(prec_raw_load64, uint64_t *out, (host, out))
BETWEEN(prec_raw_store8, uint8_t value, (host, value))
BETWEEN(prec_raw_store16, uint16_t value, (host, value))
BETWEEN(prec_raw_store32, uint32_t value, (host, value))
BETWEEN(prec_raw_store64, uint64_t value, (host, value))
BETWEEN(prec_raw_or8, uint8_t bits, (host, bits))
#define SWAP(bits)                                                             \
	BETWEEN(prec_raw_cas##bits, uint##bits##_t expected,                   \
		(host, &expected, 7))
SWAP(32)
SWAP(64)
FENCED(prec_raw_fence)
FENCED(prec_raw_load_fence)
FENCED(lent_fence)
