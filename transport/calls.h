/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Calls: a client asks whoever looks after a server for something ("a picture of this size") and
 * gets an answer. Both are a JSON object of at most 128 KiB and, where there is need, bytes. What
 * the objects say is the business of both ends; here they are carried, with the caller's rights.
 *
 * The server's side: a program that answers says so once with bc_receiver_serve_calls, waits for
 * the descriptor to become readable, takes calls one by one and replies to each, in any order.
 * While nobody answers, calls are refused. Rank 0 only. Any thread.
 */
#ifndef BEAMCAST_CALLS_H
#define BEAMCAST_CALLS_H

#include "protocol.h"
#include "receiver.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  BC_CALL_JSON_MAX = 128 * 1024,
  BC_CALL_PART_MAX = 512 * 1024, /* bytes that one message carries */
  BC_CALLS_MAX = 64              /* that may wait for their answers at a time */
};
static const uint64_t BC_CALL_DATA_MAX = UINT64_C(256) << 20;   /* with a call */
static const uint64_t BC_REPLY_DATA_MAX = UINT64_C(1024) << 20; /* with its answer */

/* A call as the server has it; valid until it is replied to. */
typedef struct bc_call_info {
  uint64_t id;      /* the server's number for it */
  int rights;       /* bc_rights of the caller: full, or view */
  const char *json; /* as it came: not known to be JSON */
  const void *data; /* NULL if size is 0 */
  uint64_t size;
} bc_call_info;

/* From now on calls are taken. Returns a descriptor that is readable while a call waits; it is the
 * receiver's. -1 on failure. */
int bc_receiver_serve_calls(bc_receiver *receiver, beamcast_error *error);

/* The call that has waited longest; false if there is none. */
bool bc_receiver_next_call(bc_receiver *receiver, bc_call_info *call);

/* Whether who made a call that was taken still waits for its answer. */
bool bc_receiver_is_awaited(bc_receiver *receiver, uint64_t id);

/* Answers a call. code: beamcast_code, with a sentence where it is not BEAMCAST_OK. json, data: may
 * be NULL; copied. Nothing happens if the caller is gone meanwhile. ERR_ARGUMENT if the answer is
 * too large: then the caller is told that. */
int bc_receiver_reply(bc_receiver *receiver, uint64_t id, int code, const char *sentence,
                      const char *json, const void *data, uint64_t size, beamcast_error *error);

/* --- the client's side -------------------------------------------------------------------------
 */

typedef struct bc_reply {
  char *json;          /* malloc'ed; "{}" if there was none */
  unsigned char *data; /* malloc'ed; NULL if size is 0 */
  uint64_t size;
} bc_reply;

/* Connects, calls, waits for the answer, at most `limit` seconds in all. contact, token: as for
 * bc_contact_read. Returns the code of the answer; what the server refuses is in the sentence. On
 * BEAMCAST_OK free the reply with bc_reply_free. */
int bc_call_server(const char *contact, const char *token, const char *json, const void *data,
                   uint64_t size, double limit, bc_reply *reply, beamcast_error *error);
void bc_reply_free(bc_reply *reply);

#ifdef __cplusplus
}
#endif

#endif
