package io.ferrymq.client;

/** Settings out of their ranges are mistakes of the program. */
final class Ranges {
    private Ranges() {}

    static int check(String name, int value, int least, int most) {
        if (value < least || value > most) {
            throw new IllegalArgumentException(name + " has to be " + least + " to " + most + ": " + value);
        }
        return value;
    }
}
