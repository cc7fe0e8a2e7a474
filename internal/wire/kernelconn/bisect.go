package kernelconn

// bisect finds the remaining TTL with which packets of one kind arrive, by
// repeating what draws them while the socket is deaf to less than some floor
// (1 … 255). Loss makes it deaf as well, so the answer is asked for once more:
// 0 where the two disagree, or where packets come with several TTLs.
func bisect(heard func(floor uint8) (bool, error)) (uint8, error) {
	low, high := 1, 256 // heard at low, not heard at high
	for high-low > 1 {
		middle := (low + high) / 2
		ok, err := heard(uint8(middle)) //nolint:gosec // 1 … 255
		if err != nil {
			return 0, err
		}
		if ok {
			low = middle
		} else {
			high = middle
		}
	}
	at, err := heard(uint8(low)) //nolint:gosec // 1 … 255
	if err != nil || !at {
		return 0, err
	}
	if high > 255 {
		return uint8(low), nil //nolint:gosec // 255
	}
	above, err := heard(uint8(high)) //nolint:gosec // 2 … 255
	if err != nil || above {
		return 0, err
	}
	return uint8(low), nil //nolint:gosec // 1 … 254
}
