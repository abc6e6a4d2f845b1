/** A span of time in milliseconds. All of pgcm's spans are this; options parse Go's notation into it. */
export type Milliseconds = number;
