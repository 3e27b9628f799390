/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The messages that producers, viewers and the ranks of a server exchange: their numbers, fields
 * and limits. docs/protocol.md describes them byte for byte. Decoders accept any bytes: they return
 * false for what is not a message, and never read beyond it.
 */
#ifndef BEAMCAST_PROTOCOL_H
#define BEAMCAST_PROTOCOL_H

#include "beamcast_types.h"
#include "bytes.h"
#include "layout.h"

enum {
  BC_VERSION = 1,
  BC_FRAME_BYTES = 16,        /* u32 type, u32 zero, u64 bytes of the body */
  BC_BODY_MAX = 1024 * 1024,  /* of a body; voxels follow a body, they are no part of it */
  BC_HEADER_MAX = 128 * 1024, /* of a step's JSON header */
  BC_REQUEST_MAX = 64 * 1024, /* of a request's JSON */
  BC_ARRAYS_MAX = 32,
  BC_SERVER_RANKS_MAX = 1024,
  BC_RANKS_MAX = 16384, /* producers of a stream */
  BC_NAME_MAX = 128,    /* bytes of a stream's or array's name, with its zero */
  BC_UNIT_MAX = 64,
  BC_HOST_MAX = 256,
  BC_SENTENCE_MAX = BEAMCAST_MESSAGE_MAX,
  BC_REQUESTS_MAX = 8, /* requests that may go with one step */
  BC_SLOTS_MAX = 256
};

typedef enum bc_message_type {
  /* producer and root */
  BC_JOIN = 1,
  BC_WELCOME = 2,
  BC_BEGIN = 3,
  BC_GRANT = 4,
  BC_DECLARE = 5,
  BC_LAYOUT = 6,
  BC_REFUSE = 7,
  BC_END = 8,
  BC_DROPPED = 9,
  BC_GONE = 10,
  BC_PULSE = 11,
  BC_BYE = 12,
  BC_AWAIT = 13,
  BC_AWAITED = 14,
  /* producer or viewer, and any rank: where voxels go */
  BC_BIND = 20,
  BC_BOUND = 21,
  BC_WRITE = 22,
  BC_WROTE = 23,
  BC_SYNC = 24,
  BC_SYNCED = 25,
  BC_ATTACH = 26,
  BC_BUFFER = 27,
  BC_READ = 28,
  BC_DATA = 29,
  BC_FAIL = 30,
  BC_VERBS_OPEN = 31,
  BC_VERBS_AT = 32,
  /* root and the other ranks */
  BC_PEER = 40,
  BC_SESSION = 41,
  BC_OPEN_STEP = 42,
  BC_OPENED = 43,
  BC_SEAL = 44,
  BC_SEALED = 45,
  BC_ABORT = 46,
  BC_EXPEL = 47,
  BC_EXPELLED = 48,
  BC_RELEASE = 49,
  BC_LOST = 50,
  BC_FORGET = 51,
  /* viewer and root */
  BC_LOOK = 60,
  BC_FOUND = 61,
  /* client and whoever looks after the server */
  BC_CALL = 62,
  BC_REPLY = 63,
  BC_PART = 64
} bc_message_type;

typedef enum bc_role {
  BC_ROLE_PRODUCER = 1, /* to the root: steps */
  BC_ROLE_WRITER = 2,   /* to any rank: voxels in */
  BC_ROLE_PEER = 3,     /* a rank to the root */
  BC_ROLE_VIEWER = 4,   /* to the root: what there is */
  BC_ROLE_FETCHER = 5   /* to any rank: voxels out */
} bc_role;

/* The frame around every message. */
typedef struct bc_frame_head {
  uint32_t type;
  uint64_t size; /* of the body */
} bc_frame_head;

/* Begins a message in writer; bc_message_end sets its size. Returns where it begins. */
size_t bc_message_begin(bc_writer *writer, bc_message_type type);
void bc_message_end(bc_writer *writer, size_t begin);
/* A message without a body. */
void bc_message_empty(bc_writer *writer, bc_message_type type);
/* false if the frame is not one of ours or its body is over BC_BODY_MAX. */
bool bc_frame_head_read(const unsigned char bytes[BC_FRAME_BYTES], bc_frame_head *head);

/* The grid of a stream's arrays. */
typedef struct bc_grid {
  uint64_t volume[3];
  double spacing[3], origin[3], direction[9];
  char length_unit[BC_UNIT_MAX];
} bc_grid;

typedef struct bc_array_spec {
  char name[BC_NAME_MAX];
  char unit[BC_UNIT_MAX];
  uint32_t type, components;
  double fill;
} bc_array_spec;

/* Arrays and grid as the root has settled them. */
typedef struct bc_plan {
  uint64_t version; /* another one whenever anything in it changes */
  uint64_t epoch;   /* another one whenever memory moved: what was attached is void */
  bc_grid grid;
  uint32_t split, ghosts;
  uint32_t arrays;
  bc_array_spec array[BC_ARRAYS_MAX];
} bc_plan;

/* Equal to the bit: a fill value of NaN equals itself. */
bool bc_grid_equal(const bc_grid *a, const bc_grid *b);
bool bc_array_spec_equal(const bc_array_spec *a, const bc_array_spec *b);

uint64_t bc_plan_voxel_bytes(const bc_plan *plan, uint32_t array);

void bc_put_box(bc_writer *writer, const bc_box *box);
/* Reads a box whose ends fit into 63 bits; else the reader is bad. */
void bc_get_box(bc_reader *reader, bc_box *box);
void bc_put_grid(bc_writer *writer, const bc_grid *grid);
bool bc_get_grid(bc_reader *reader, bc_grid *grid);
void bc_put_array_spec(bc_writer *writer, const bc_array_spec *spec);
bool bc_get_array_spec(bc_reader *reader, bc_array_spec *spec);
void bc_put_plan(bc_writer *writer, const bc_plan *plan);
bool bc_get_plan(bc_reader *reader, bc_plan *plan);

typedef struct bc_join {
  char stream[BC_NAME_MAX];
  uint64_t run_id;
  uint32_t rank, ranks;
} bc_join;
void bc_put_join(bc_writer *writer, const bc_join *join);
bool bc_get_join(bc_reader *reader, bc_join *join);

/* Where a rank of the server is reached. */
typedef struct bc_place {
  char host[BC_HOST_MAX];
  uint32_t port;
  char unix_name[64]; /* abstract Unix socket; "" if none */
  char host_id[96];   /* equal on processes that can share memory */
  uint32_t verbs;     /* 1: has an RDMA device */
} bc_place;
void bc_put_place(bc_writer *writer, const bc_place *place);
bool bc_get_place(bc_reader *reader, bc_place *place);

typedef struct bc_declare {
  uint64_t serial;
  bc_grid grid;
  bc_array_spec array;
} bc_declare;
void bc_put_declare(bc_writer *writer, const bc_declare *declare);
bool bc_get_declare(bc_reader *reader, bc_declare *declare);

/* The head of WRITE, WROTE and READ. */
typedef struct bc_span {
  uint64_t serial;
  uint32_t array;
  bc_box box;
  uint64_t bytes; /* of the voxels that follow (WRITE), or that were written or are wanted */
} bc_span;
void bc_put_span(bc_writer *writer, bc_message_type type, const bc_span *span);
bool bc_get_span(bc_reader *reader, bc_span *span);

/* REFUSE, FAIL, DROPPED, GONE, OPENED, SEALED, LOST: what about, a code and a sentence. */
typedef struct bc_verdict {
  uint64_t about; /* serial or session */
  uint32_t code;
  uint64_t number; /* OPENED, SEALED: bytes; else 0 */
  char sentence[BC_SENTENCE_MAX];
} bc_verdict;
void bc_put_verdict(bc_writer *writer, bc_message_type type, uint64_t about, uint32_t code,
                    uint64_t number, const char *sentence);
bool bc_get_verdict(bc_reader *reader, bc_verdict *verdict);

/* A message whose body is one u64, or two. */
void bc_put_number(bc_writer *writer, bc_message_type type, uint64_t number);
void bc_put_pair(bc_writer *writer, bc_message_type type, uint64_t first, uint64_t second);

#endif
