/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing (doc/design/outside.md, O1 to O3 and O8) as a model for spin: the
 * steps of src/publish/publish.c.
 *
 * Two publishers, of one log or of a copy each, are killed at any step; a log
 * goes on beside them, and once it is put back to an earlier state of itself
 * and goes on otherwise.  In every state that can be reached:
 *
 *   forked        no size is signed with two roots
 *   inconsistent  what was signed of two sizes is one history
 *   unregistered  nothing is signed that the register never held
 *   late          under an origin that ended nothing new is signed
 *   invalid end   a publisher that is not killed comes to its end
 *
 * The steps are named (register, begin, look, heads, read, swap, sign, public);
 * test/unit/test_publish_steps.c stops and kills publishers at each of these
 * names in the code, and asserts the same.
 *
 * The program run_publish beside this file names the configurations, and the words
 * under #ifdef: each takes one precaution away, and something of the above must
 * then be found to fail.
 *
 * With LOST the answer to a swap may be lost, as it may be of a register on
 * another host: the publisher reads again, and goes on, or ends with an error,
 * or is killed; and the request is carried out later, or never.
 *
 * A root is the history itself: two bits for each record, 3 for a heads
 * record.  What is left out: tiles (nothing that is signed depends on them);
 * the index (a wrong one makes a wrong root, which is compared); files that
 * are half written (test/power cuts the power).
 */
#ifndef LOGS
#define LOGS 1
#endif
#ifndef MAX
#define MAX 3	/* records of a log; to a full one nothing is appended */
#endif
#ifndef TURNS
#define TURNS 1	/* records that a writer appends */
#endif
#ifndef KILLS
#define KILLS 1
#endif
#define HEADS 3
#define PUBLISHERS 2

typedef history {
	byte entry[MAX];
	byte size;
	byte lock;	/* of public/: the publisher that holds it + 1 */
	byte public;	/* the size that public/checkpoint says; 0: none */
}

history log[LOGS];

/* The register. */
bit known, ended;
byte reg_size, reg_root;
byte end_size;	/* at which it ended */

#ifdef LOST
/* A swap that was asked for, and of which nobody was told what became; one at
 * a time. */
bit flying;
byte fly_last_size, fly_last_root, fly_size, fly_root;
bit in_time[MAX + 1];	/* was registered before the origin ended */
#endif

/* What was signed and what was ever registered, by size. */
byte sign_root[MAX + 1];
byte held_root[MAX + 1];

byte kills = KILLS;
bit put_back;	/* the adversary's deed is done */

/* Scratch, never used from one step to the next. */
hidden byte r, i, n;
hidden byte forked, inconsistent, unregistered, late;

/* r: the root of the first s records of a log. */
inline root_of(l, s)
{
	r = 0;
	for (i : 0 .. MAX - 1) {
		if
		:: i < s -> r = r * 4 + log[l].entry[i]
		:: else
		fi
	}
}

#define may_die \
	if \
	:: kills > 0 -> kills--; goto killed \
	:: true \
	fi

/* A signature leaves; it is never taken back. */
inline sign(s, root)
{
	forked = sign_root[s] != 0 && sign_root[s] != root;
	assert(!forked);
	inconsistent = false;
	for (n : 1 .. MAX) {
		inconsistent = inconsistent || (sign_root[n] != 0 && n < s &&
		    (root >> (2 * (s - n))) != sign_root[n]) ||
		    (sign_root[n] != 0 && n > s &&
		    (sign_root[n] >> (2 * (n - s))) != root)
	}
	assert(!inconsistent);
	unregistered = held_root[s] != root;
	assert(!unregistered);
#ifdef LOST
	/* What is under way takes turns that the lock of public/ forbids to
	 * publishers of one log, as those of two hosts do: between the register
	 * and the signature another entry comes, and the end behind that.  What
	 * is signed then was registered before. */
	late = ended && sign_root[s] == 0 && s > 0 && !in_time[s];
#else
	late = ended && sign_root[s] == 0 && end_size != s;
#endif
	assert(!late);
	sign_root[s] = root
}

/*
 * Each atomic is one thing that other processes can see, with what follows
 * from it in the publisher's own memory.
 */
proctype publisher(byte me)
{
	byte l = me % LOGS, last_size, last_root, size, root;
	bit again;

begin:
	atomic { log[l].lock == 0 -> log[l].lock = me + 1; may_die }
	/* register, 1: what is public was registered before, so it is read
	 * first. */
	size = log[l].public;
	atomic {
		last_size = reg_size;
		last_root = reg_root;
#ifndef NO_END
		if
		:: ended -> goto refuse
		:: else
		fi;
#endif
#ifndef NO_PUBLIC
		if
		:: size > 0 && (!known || size > last_size) -> goto refuse
		:: else
		fi;
#endif
		size = 0;
		may_die;
		if
		:: known -> goto look
		:: else
		fi
	}
#ifndef NO_BEGINNING
	/* begin: an origin that the register does not know begins empty. */
	atomic {
		again = false;
		for (i : 0 .. MAX - 1) {
			again = again || (i < log[l].size &&
			    log[l].entry[i] == HEADS)
		}
		if
		:: again -> again = false; goto refuse
		:: else
		fi
	}
#endif
	atomic {
		if
		:: known -> goto release
		:: else -> known = true; reg_size = 0; reg_root = 0
		fi;
		last_size = 0;
		last_root = 0;
		may_die
	}

look:	/* look, 2: the log is at least as long, and has that root. */
	atomic {
#ifndef NO_LOOK
		root_of(l, last_size);
		if
		:: log[l].size < last_size || r != last_root -> goto refuse
		:: else
		fi;
#endif
		may_die
	}
	/* heads, 3: the heads record. */
	atomic {
		if
		:: log[l].size > 0 && log[l].entry[log[l].size - 1] == HEADS
		:: else ->
			if
			:: log[l].size == MAX -> goto refuse
			:: else ->
				log[l].entry[log[l].size] = HEADS;
				log[l].size++
			fi
		fi;
		size = log[l].size;
		may_die
	}
	/* read, 4: what goes out is read; the last root once more on the
	 * way. */
	atomic {
#ifndef NO_LOOK
		root_of(l, last_size);
		if
		:: log[l].size < size || r != last_root -> goto refuse
		:: else
		fi;
#endif
		root_of(l, size);
		root = r;
		may_die
	}
#ifdef SIGN_FIRST
	atomic { sign(size, root); log[l].public = size; may_die }
#endif
#ifdef LOST
	/* The answer is lost: it was carried out, is under way, or never will
	 * be. */
	if
	:: atomic { size != last_size && !flying ->
		flying = true;
		fly_last_size = last_size;
		fly_last_root = last_root;
		fly_size = size;
		fly_root = root;
		may_die
	}
#ifdef LOST_IS_DONE
		goto signing
#else
		/* The entry is read again: next, last, or another. */
		atomic {
			again = false;
			if
			:: ended -> goto refuse
			:: else
			fi;
			if
			:: known && reg_size == size && reg_root == root ->
				goto signing
			:: known && reg_size == last_size &&
			    reg_root == last_root
			:: known && reg_size == last_size &&
			    reg_root == last_root -> goto refuse
			:: else -> goto release
			fi
		}
#endif
	:: true
	fi;
#endif
	/* swap, 5: compare and swap. */
	atomic {
		if
		:: size == last_size
		:: else ->
			again = false;
#ifndef NO_COMPARE
			again = !known || reg_size != last_size ||
			    reg_root != last_root;
#endif
#ifndef NO_END
			again = again || ended;
#endif
			if
			:: again -> again = false; goto release
			:: else
			fi;
			reg_size = size;
			reg_root = root;
			held_root[size] = root
#ifdef LOST
			;
			in_time[size] = in_time[size] || !ended
#endif
		fi;
		may_die
	}
signing: /* sign and public, 6 */
#ifndef SIGN_FIRST
	atomic { sign(size, root); log[l].public = size }
#endif
	goto refuse;

killed:	/* Its lock goes with it, and it comes again. */
release:
	atomic {
		last_size = 0;
		last_root = 0;
		size = 0;
		root = 0;
		log[l].lock = 0;
		goto begin
	}

refuse:	/* Or done. */
	atomic {
		last_size = 0;
		last_root = 0;
		size = 0;
		root = 0;
		log[l].lock = 0
	}
}

proctype writer(byte l)
{
	byte turns = TURNS;

	do
	:: turns > 0 && log[l].size < MAX ->
		d_step {
			if
			:: log[l].size < MAX ->
				log[l].entry[log[l].size] = turns;
				log[l].size++
			:: else
			fi
		}
		turns--
	:: true -> break
	od
}

/* A log is put back, and goes on otherwise; its public/ with it, or not. */
proctype adversary(byte l)
{
	byte to = 0;

	do
	:: to < log[l].size -> to++
	:: true -> break
	od;
	skip;
	d_step {
		if
		:: to < log[l].size ->
			for (i : 0 .. MAX - 1) {
				if
				:: i >= to -> log[l].entry[i] = 0
				:: else
				fi
			}
			log[l].size = to;
			put_back = true
#ifdef REGISTER_PUT_BACK
			;
			root_of(l, to);
			reg_size = to;
			reg_root = r
#endif
		:: else
		fi
	}
	if
	:: log[l].public = 0
	:: true
	fi;
	skip;
	/* Another record than any that stood there. */
	d_step {
		if
		:: put_back && log[l].size < MAX ->
			log[l].entry[log[l].size] = 1;
			log[l].size++
		:: else
		fi
	}
}

#ifdef LOST
/* What is under way arrives, on its condition, or never. */
proctype network()
{
end:
	do
	:: d_step { flying ->
		if
#ifndef LATE_BLIND
		:: !known || ended || reg_size != fly_last_size ||
		    reg_root != fly_last_root
#endif
		:: else ->
			known = true;
			reg_size = fly_size;
			reg_root = fly_root;
			held_root[fly_size] = fly_root;
			in_time[fly_size] = in_time[fly_size] || !ended
		fi;
		flying = false;
		fly_last_size = 0;
		fly_last_root = 0;
		fly_size = 0;
		fly_root = 0
	}
	:: atomic { flying -> flying = false; fly_last_size = 0;
		fly_last_root = 0; fly_size = 0; fly_root = 0 }
	od
}
#endif

#ifdef REGISTER_LOST
/* Somebody lost it, and thinks that it begins anew. */
proctype loser()
{
	d_step { known = false; reg_size = 0; reg_root = 0 }
}
#endif

#ifdef RESTORE
/* tally restore: the origin ends. */
proctype restorer()
{
	byte last_size, last_root;

	d_step { last_size = reg_size; last_root = reg_root }
	d_step {
		if
		:: known && reg_size == last_size && reg_root == last_root ->
			ended = true;
			end_size = reg_size
		:: else
		fi
	}
}
#endif

init {
	atomic {
		for (n : 0 .. PUBLISHERS - 1) {
			run publisher(n)
		}
		for (n : 0 .. LOGS - 1) {
			run writer(n)
		}
#ifdef PUT_BACK
		run adversary(0);
#endif
#ifdef LOST
		run network();
#endif
#ifdef REGISTER_LOST
		run loser();
#endif
#ifdef RESTORE
		run restorer();
#endif
	}
}
