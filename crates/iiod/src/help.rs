//! The answer to `HELP`.

/// Our own words; clients do not read it.
pub(crate) const TEXT: &str = "\
Commands, one a line; DEVICE is an id, a label or a name:

\tHELP
\t\tthis text
\tEXIT
\t\tend the connection
\tPRINT
\t\tthe description of all devices, as XML
\tZPRINT
\t\tthe same compressed, which this server does not do
\tVERSION
\t\tthe version of libiio this server speaks for
\tTIMEOUT MILLISECONDS
\t\thow long to wait for data; 0 is for ever
\tREAD DEVICE [DEBUG | BUFFER | INPUT CHANNEL | OUTPUT CHANNEL] [ATTRIBUTE]
\t\tone attribute, or all of them
\tWRITE DEVICE [DEBUG | BUFFER | INPUT CHANNEL | OUTPUT CHANNEL] [ATTRIBUTE] BYTES
\t\tset one attribute, or all of them, to the bytes that follow
\tGETTRIG DEVICE
\t\tthe name of its trigger
\tSETTRIG DEVICE [TRIGGER]
\t\tgive it a trigger, or take it away
\tSET DEVICE BUFFERS_COUNT COUNT
\t\thow many buffers the device holds
\tOPEN DEVICE SAMPLES MASK [CYCLIC]
\t\topen its buffer with the channels of the mask
\tCLOSE DEVICE
\t\tclose its buffer
\tREADBUF DEVICE BYTES
\t\tread samples
\tWRITEBUF DEVICE BYTES
\t\twrite samples
";
