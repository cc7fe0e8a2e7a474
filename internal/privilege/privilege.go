// Package privilege keeps the process at the least privilege it can work with.
// Opening raw sockets takes CAP_NET_RAW, and the superuser can open slightly
// better ones; nothing else that a measurement does takes any capability, using
// the sockets least of all. So a run goes down in three steps, and never up
// again:
//
//   - [Lower], first: what opening takes stays permitted but is not in effect,
//     all else is gone;
//   - [Raise], once: CAP_NET_RAW is in effect on one thread while the sockets
//     are opened;
//   - [Drop], before anything is read from them: no capability is left.
//
// No later exec gives any back (no_new_privs, and an empty bounding set where
// the process may empty it).
//
// The user id stays as it is. Changing it would make files belong to somebody
// else than the user expects, or impossible to write where the user wants
// them. For the same reason the superuser keeps, through Lower, the
// capabilities to reach other users' files, and through Drop only if a file
// of the run cannot be written without: one in the home directory of the user
// who called sudo, for example.
//
// Capabilities belong to threads, and a Go process has several before main
// begins. The steps reach all of them by [syscall.AllThreadsSyscall], which
// works only in a program without cgo. With cgo, Lower and Drop return an
// error that is [errors.ErrUnsupported] where there was something to give up.
// On systems other than Linux there is nothing to do.
//
// The command calls it, for measurements, and Drop alone for reading captures;
// the emulated paths of package netlab need more for as long as they stand.
package privilege
