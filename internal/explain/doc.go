// Package explain says of every reset and every broken-off conversation in a
// capture who sent it, which packet drew it, why, how sure that is, what
// speaks against it and what to capture or run next.
//
// It is fed one flow.Conversation after the other, reads no file and writes
// none. What the packets of one conversation show comes from probe.Observe,
// and whether a box or the host itself sent a reset from the rules of probe:
// the same functions judge a live trial. This package adds what only a
// capture of other people's traffic needs: where it was taken, what the hosts
// in it usually do, and the causes that no trial of ours would provoke.
package explain
