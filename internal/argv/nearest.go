package argv

// Nearest is the word that text was probably meant to be; "" where none
// looks alike: at most one letter in three may differ, as a mistyped word and
// not another one.
func Nearest(text string, words []string) string {
	found, least := "", len(text)/3+1
	for _, w := range words {
		if d := Distance(text, w); d < least {
			found, least = w, d
		}
	}
	return found
}

// Distance is how many letters have to be put in, taken out, changed or
// swapped with their neighbour to make a into b (optimal string alignment,
// Damerau 1964).
func Distance(a, b string) int {
	// rows of the table for a[:i-1], a[:i] and a[:i+1]
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, row[j]+1, last[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
